"""The operators' documents match the code: metrics, log lines, variables, tables, tests and processes."""

from __future__ import annotations

import ast
import json
import re
from datetime import timedelta

import config
from database import db
from models import Outcome
from sandbox.dev_servers import CHECKOUT
from tasklog.counters import COUNTERS
from taskqueue import circuit_breaker, claims, heartbeats
from tests.project.test_layout import APP
from tests.support.tasks.outcomes import cause_of
from tests.support.tasks.task_steps import claim, enqueue, send
from tests.views.ops.test_metrics import families

OPERATIONS, PRIVACY, SECURITY = (
    (CHECKOUT / "docs" / f"{name}.md").read_text() for name in ("operations", "privacy", "security")
)
SOURCES = {"D", "T", "Redis"}
COUNTED = {"attempts", "attempt_seconds", "answers", "call_seconds", "webhooks", "webhook_seconds"}
TROUBLE = ("warning", "error", "critical", "exception")
WITHOUT_PEOPLE = {  # what is about shops and machines, and names nobody
    *(
        "alert_incident",
        "alert_rule",
        "batch",
        "batch_portion",
        "bulk_bad_line",
        "bulk_import",
        "bulk_part",
        "endpoint",
    ),
    *("heartbeat", "market", "poll", "saved_view", "schema_migration", "store", "task_delta"),
}


def everything(shop):
    """All metrics, each with a sample at least."""
    heartbeats.beat("sweep")
    run = claim(shop, enqueue(shop))
    send(run)
    claims.retry_in(run, timedelta(0), Outcome.FAILED, cause_of("Later."))
    circuit_breaker.pause(shop, cause_of("Engage answered 401."), timedelta(hours=1))
    COUNTERS.webhook("Shopify", 200, 0.1)
    return families(shops=True)


def labels(family):
    return {name for sample in family.samples for name in sample.labels} - {"le"}


def test_the_documented_metrics_are_the_existing_ones(shop):
    row = r"^\| `connector_(\w+?)(?:_total)?` \| (\w+) \|([^|]*)\| (\w+) \| (.*) \|$"
    documented = re.findall(row, OPERATIONS, re.MULTILINE)

    found = {
        (name.removeprefix("connector_"), family.type, frozenset(labels(family)), family.documentation)
        for name, family in everything(shop).items()
    }

    assert {
        (name, kind, frozenset(re.findall(r"`(\w+)`", names)), about) for name, kind, names, _, about in documented
    } == found
    assert {name for name, _, _, source, _ in documented if source == "T"} == COUNTED
    assert {source for _, _, _, source, _ in documented} == SOURCES


def test_the_documented_alarms_use_existing_metrics(shop):
    names = {sample.name for family in everything(shop).values() for sample in family.samples}

    assert set(re.findall(r"\bconnector_\w+", OPERATIONS)) - names <= {
        "connector_attempt_seconds",
        "connector_call_seconds",
        "connector_webhook_seconds",
    }


def troubles(path):
    """The messages of a module's warnings and errors, with … for their values, as the documents write them."""
    for node in ast.walk(ast.parse((CHECKOUT / path).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in (*TROUBLE, "log"):
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            yield from [re.sub(r"%[sd]", "…", each) for each in texts if "%" in each or each.endswith(".")][:1]


def test_every_logged_warning_and_error_is_documented():
    logged = {line for path in APP for line in troubles(path)}
    rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$", OPERATIONS.split("## Logs")[1], re.MULTILINE)

    assert len(logged) > 15
    assert {line for line in rows if not line.startswith("connector_")} == logged


def test_the_documented_variables_exist():
    text = OPERATIONS + PRIVACY + SECURITY
    named = set(re.findall(r"\b[A-Z]{2,}_[A-Z_]+\b", text)) - {"WEB_CONCURRENCY"}

    assert named - config.documented().keys() == set()


def test_every_table_is_documented_or_has_no_personal_data(database):
    rows = re.findall(r"^\|[^|]+\|([^|]+)\|", PRIVACY, re.MULTILINE)
    documented = set(re.findall(r"`(\w+)`", "".join(rows)))

    assert documented | WITHOUT_PEOPLE == set(db.get_tables())
    assert documented & WITHOUT_PEOPLE == set()


def test_the_tests_that_security_md_names_exist():
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`", SECURITY)

    assert len(named) > 30
    assert [(file, name) for file, name in named if f"def {name}" not in (CHECKOUT / "tests" / file).read_text()] == []


def test_app_json_names_existing_variables_and_processes():
    described = json.loads((CHECKOUT / "app.json").read_text())
    processes = re.findall(r"^(\w+):", (CHECKOUT / "Procfile").read_text(), re.MULTILINE)

    assert set(described["env"]) <= config.documented().keys()
    assert ["release", *described["formation"]] == processes
