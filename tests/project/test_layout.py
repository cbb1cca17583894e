"""Imports point one way, and every module says what it is for."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

from sandbox import dev_servers

ROOT = dev_servers.CHECKOUT
OURS = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
OUTSIDE = {"sandbox", "benchmarks", "tests"}  # nothing of the app knows them

# What a module, or all of a package, may import of ours, beside itself. From the outside in.
BASE = {"config"}
STORE = BASE | {"redaction", "logs", "vault", "database", "clients", "models", "totals", "schema"}
MAY_IMPORT = {
    "config": set(),
    "redaction": set(),
    "services": set(),
    "mappings": set(),
    "logs": BASE | {"redaction"},
    "vault": BASE,
    "database": BASE,
    "clients": BASE | {"redaction"},
    "schema": BASE | {"database"},
    "models": BASE | {"vault", "database", "clients", "mappings"},
    "totals": {"database", "models"},
    "retention": BASE | {"database", "models"},
    "words": BASE | {"clients"},
    "alerts": STORE | {"mappings", "words"},
    "actors": STORE | {"mappings", "alerts"},
    "views": STORE | {"mappings", "alerts", "actors", "words"},
    "invented": STORE | {"mappings", "actors"},
    "scheduler": STORE | {"alerts", "actors", "logs", "retention"},
    "manage": STORE | {"alerts", "actors", "services", "invented"},
    "app": {"views", "logs"},
}
LONGEST = 450


def modules(*, of_the_app: bool) -> list[Path]:
    """Our Python files, relative to the checkout. Migrations are steps in time, not modules of the app."""
    found = [path.relative_to(ROOT) for pattern in ("*.py", "*/*.py", "*/*/*.py") for path in ROOT.glob(pattern)]
    kept = [path for path in found if not path.parts[0].startswith(".")]
    return sorted(path for path in kept if not of_the_app or owner(path) not in OUTSIDE | {"migrations"})


def owner(path: Path) -> str:
    """The package or top module that a file belongs to."""
    return path.parts[0].removesuffix(".py")


def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


@cache
def imported(path: Path) -> frozenset[str]:
    """The first names of everything that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.add(str(node.module).split(".")[0])
    return frozenset(names)


APP = modules(of_the_app=True)
ALL = [path for path in modules(of_the_app=False) if (ROOT / path).stat().st_size]  # an empty one only marks a package


def test_there_is_an_app_to_look_at():
    assert {"app.py", "views/webhooks/shopify.py", "actors/order.py"} <= set(map(str, APP))
    assert {"sandbox/shopify/__init__.py", "tests/conftest.py", "migrations/0001_first_road.py"} <= set(map(str, ALL))


def test_imports_point_one_way():
    outward = {str(path): (imported(path) & OURS) - {owner(path)} - MAY_IMPORT[owner(path)] for path in APP}

    assert {path: names for path, names in outward.items() if names} == {}


def test_what_is_allowed_has_no_circle():
    """A module may import only what is further in: the table above can be put into an order."""
    left = dict(MAY_IMPORT)
    while left:
        inner = [name for name, others in left.items() if not others & left.keys()]
        assert inner, f"These import each other: {sorted(left)}"
        left = {name: others for name, others in left.items() if name not in inner}


def test_nothing_of_the_app_knows_the_sandbox_the_benchmarks_or_the_tests():
    assert [str(path) for path in APP if imported(path) & OUTSIDE] == []


def test_mappings_do_no_input_or_output():
    pure = {"__future__", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools"}
    pure |= {"hashlib", "itertools", "math", "mappings", "operator", "re", "typing", "unicodedata", "uuid", "zoneinfo"}

    impure = {str(path): imported(path) - pure for path in APP if owner(path) == "mappings"}

    assert {path: names for path, names in impure.items() if names} == {}


def test_what_is_imported_is_pinned_for_production():
    """The development requirements are not there in production."""
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text().lower(), re.MULTILINE))
    foreign = set().union(*map(imported, APP)) - OURS - sys.stdlib_module_names

    assert {PACKAGES.get(name, name.replace("_", "-")) for name in foreign} - pinned == set()


PACKAGES = {"jwt": "pyjwt", "playhouse": "peewee"}


def test_a_module_starts_by_saying_what_it_is_for():
    first = {str(path): (ast.get_docstring(parsed(path)) or "").partition("\n")[0] for path in ALL}

    assert [path for path, line in first.items() if not line.endswith((".", ":", "?")) and "`" not in line] == []


def test_a_module_is_short():
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in APP}

    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_no_module_is_named_for_nothing_in_particular():
    vague = {"utils", "helpers", "common", "manager", "service", "misc", "base"}

    assert [str(path) for path in ALL if path.stem in vague] == []
