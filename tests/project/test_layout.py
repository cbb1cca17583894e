"""Layout: imports point one way and have no circle, rooms are small, and the field's words lead to their modules."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

from sandbox import dev_servers

ROOT = dev_servers.CHECKOUT
# From the outside in: a room imports only rooms of the lines below its own.
FLOORS = (
    {"app", "manage", "scheduler"},
    {"views", "demo_history", "checks"},
    {"actors"},
    {"alerts", "privacy"},
    {"sync", "shopify_app_config"},
    {"taskqueue"},
    {"tasklog"},
    {"models", "i18n", "schema"},
    {"database"},
    {"clients", "mappings", "encryption", "logs"},
    {"config", "redaction", "reasons", "shutdown"},
    {"addresses"},
)
OUTSIDE = {"sandbox", "benchmarks", "tests"}  # nothing of the app imports them
DEVELOPMENT = {("manage.py", "sandbox")}  # `manage.py where`, and servers for a machine that has none
LONGEST, MOST_MODULES = 450, 20
PAGE = {"models.py"}  # every table on one page
VAGUE = {"utils", "helpers", "common", "manager", "service", "misc", "base"}
# Words of a private language, which no module, class or function of the app has in its name.
PRIVATE = {"bell", "deed", "doorbell", "fate", "heard", "letter", "outward", "rebuilt", "ring", "rung", "said", "sheet"}
PRIVATE |= {"somebody", "telling", "told", "welcome", "whoever"}
# The first word that somebody searches for, and where it must lead.
WORDS = {
    "csrf": {"views/web/csrf.py"},
    "idempoten": {"views/web/csrf.py", "taskqueue/insert.py"},
    "ssrf": {"clients/http/ssrf_guard.py"},
    "rate limit": {"views/web/rate_limits.py", "clients/engage/rate_limiter.py"},
    "circuit breaker": {"taskqueue/circuit_breaker.py"},
    "backoff": {"taskqueue/outcomes.py"},
    "pagination": {"views/tasks/pagination.py", "clients/shopify/pagination.py"},
    "cursor": {"tasklog/cursor.py", "views/tasks/pagination.py"},
    "serializ": {"views/tasks/serializer.py"},
    "translation": {"i18n/catalogue.py"},
    "onboarding": {"views/account/onboarding.py"},
    "redact": {"redaction/text.py", "redaction/bodies.py"},
    "gdpr": {"privacy/requests.py"},
    "erasure": {"privacy/erasure.py"},
    "personal data export": {"privacy/personal_data.py"},
    "incident": {"alerts/incidents.py"},
    "outbox": {"alerts/outbox.py"},
    "watchdog": {"taskqueue/watchdog.py"},
    "sweep": {"taskqueue/sweeper.py"},
    "lease": {"taskqueue/leases.py", "taskqueue/claims.py"},
    "publish": {"taskqueue/broker.py"},
}


def modules() -> list[Path]:
    """Our Python files, relative to the checkout. Migrations are steps in time, not modules."""
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*.py")]
    return sorted(path for path in found if not path.parts[0].startswith(".") and path.parts[0] != "migrations")


def owner(path: Path) -> str:
    """The room, or the module at the top, that a file belongs to."""
    return path.parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    """A file's name as a module."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


@cache
def imported(path: Path) -> frozenset[str]:
    """Everything that a file imports, wherever in it, as dotted names: of a package what is taken from it."""
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)} & OURS - {owner(path)}


ALL = modules()
APP = [path for path in ALL if owner(path) not in OUTSIDE]
OURS = {owner(path) for path in ALL}
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def test_there_is_an_app_to_look_at():
    assert {"app.py", "models.py", "actors/order.py", "views/webhooks/shopify.py"} <= set(map(str, APP))
    assert FLOOR.keys() == {owner(path) for path in APP}


def test_imports_point_one_way():
    upward = [
        (str(path), room)
        for path in APP
        for room in rooms_imported(path) - OUTSIDE
        if FLOOR[room] <= FLOOR[owner(path)]
    ]

    assert upward == []


def test_no_modules_import_each_other_in_a_circle():
    names = {name_of(path): path for path in ALL}
    needs = {name: {_module(each, names) for each in imported(path)} for name, path in names.items()}
    left = {name: needed & names.keys() - {name} for name, needed in needs.items()}
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]

    assert left == {}


def _module(imported_name: str, names: dict[str, Path]) -> str:
    """The module that a name is imported from: itself, if it is one, else the one above."""
    return imported_name if imported_name in names else imported_name.rpartition(".")[0]


def test_nothing_of_the_app_imports_the_sandbox_the_benchmarks_or_the_tests():
    found = {(str(path), room) for path in APP for room in rooms_imported(path) & OUTSIDE}

    assert found == DEVELOPMENT


def test_mappings_do_no_input_or_output():
    pure = {"__future__", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools"}
    pure |= {
        "hashlib",
        "itertools",
        "math",
        "mappings",
        "operator",
        "re",
        "reasons",
        "typing",
        "unicodedata",
        "uuid",
        "zoneinfo",
    }

    mappings = [path for path in APP if owner(path) == "mappings"]
    impure = {str(path): {name.split(".")[0] for name in imported(path)} - pure for path in mappings}

    assert {path: names for path, names in impure.items() if names} == {}


def test_what_is_imported_is_pinned_for_production():
    """The development requirements are not there in production."""
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text().lower(), re.MULTILINE))
    foreign = {name.split(".")[0] for path in APP for name in imported(path)} - OURS - sys.stdlib_module_names

    assert {PACKAGES.get(name, name.replace("_", "-")) for name in foreign} - pinned == set()


PACKAGES = {"jwt": "pyjwt", "playhouse": "peewee"}


def test_a_module_starts_by_saying_what_it_is_for():
    written = [path for path in ALL if (ROOT / path).stat().st_size]  # an empty one only marks a package
    first = {str(path): (ast.get_docstring(parsed(path)) or "").partition("\n")[0] for path in written}

    assert [path for path, line in first.items() if not line.endswith((".", ":", "?")) and "`" not in line] == []
    assert [path for path, line in first.items() if line.rstrip(".") == name_of(Path(path))] == []


def test_a_module_is_short():
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in APP}

    assert {path: lines for path, lines in lengths.items() if lines > LONGEST and path not in PAGE} == {}


def test_a_folder_has_few_modules():
    counts: dict[str, int] = {}
    for path in ALL:
        counts[str(path.parent)] = counts.get(str(path.parent), 0) + (path.name != "__init__.py")

    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_no_module_is_named_for_nothing_in_particular():
    assert [str(path) for path in ALL if path.stem in VAGUE] == []


def test_no_name_is_of_a_private_language():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [(path, node.name) for path in APP for node in ast.walk(parsed(path)) if isinstance(node, kinds)]
    names += [(path, path.stem) for path in APP]

    assert [(str(path), name) for path, name in names if set(_words(name)) & PRIVATE] == []


def _words(name: str) -> list[str]:
    """The words of a name: of camel case and of snake case, in small letters, without a plural's s."""
    words = re.findall(r"[A-Z]?[a-z]+", name)
    return [word.lower() for word in words] + [word.lower().removesuffix("s") for word in words]


def test_a_class_name_is_one_class():
    homes: dict[str, set[str]] = {}
    for path in APP:
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(str(path))

    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def test_the_fields_words_lead_to_their_modules():
    missing = {
        word: wanted
        for word, paths in WORDS.items()
        if (wanted := {path for path in paths if word not in (ROOT / path).read_text().lower()})
    }

    assert missing == {}
