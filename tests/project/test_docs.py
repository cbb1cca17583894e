"""Documents that cannot lie: what they name must be there, and the other way round."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

import config
import manage
from i18n.catalogue import t
from taskqueue.types import NUMBERS, TYPES, types_by_group
from tests.support.tasks import published_types

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "sandbox/README.md"]
DOCUMENTS += [f"docs/{name}.md" for name in ("architecture", "decisions", "operations", "privacy", "security")]
MAPS = ["README.md", "CONTRIBUTING.md", "docs/architecture.md"]  # where they say that something is, it must be
FILE = r"`((?:[\w*-]+/)*[\w*.-]*(?:/|\.(?:py|html|toml|md|graphql)))(?::([\w.]+))?`"


def test_the_readme_lists_every_variable_with_its_default_and_meaning():
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? ?\| (.*) \|$", README, re.MULTILINE)

    assert {name: (default, about) for name, default, about in rows} == config.documented()


def test_the_readme_names_every_command_of_manage():
    sentence = next(line for line in README.splitlines() if line.startswith("`manage.py` has"))

    assert re.findall(r"`([a-z][a-z-]+)`", sentence) == list(manage.COMMANDS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_within_the_project_lead_somewhere(name):
    text = (ROOT / name).read_text()
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]

    missing = [target for target in targets if not ((ROOT / name).parent / target).exists()]

    assert missing == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_targets_that_documents_name_exist(name):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`make ([a-z-]+)", (ROOT / name).read_text())) <= targets


def test_make_alone_prints_every_target_with_its_purpose():
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    named = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    assert set(re.findall(r"^make ([a-z-]+) +\S", printed, re.MULTILINE)) == set(named)


def test_the_readmes_paths_are_routes():
    from app import ROUTES

    routes = {re.sub(r"{\w+}", "{id}", getattr(route, "path", "")) for route in ROUTES}
    named = re.findall(r"`(?:GET |POST )?(/[a-z][a-z./{}_]*)`", README.split("## Where things are")[1])

    assert [path for path in named if path not in routes] == []


def test_folders_and_files_that_the_readme_names_exist():
    table = README.split("## Where things are")[1].split("##")[0]
    named = re.findall(r"`([\w/.]+)`", "\n".join(line for line in table.splitlines() if line.startswith("|")))

    assert [name for name in named if "." in name or "/" in name if not (ROOT / name).exists()] == []


def test_every_word_of_the_readmes_tree_is_a_module():
    tree = re.findall(r"^(\w+)/ +(\w.*)$", README.split("## Where things are")[1], re.MULTILINE)
    named = [f"{room}/{module}" for room, modules in tree for module in modules.split()]

    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).is_dir() and not (ROOT / f"{path}.py").exists()] == []


@pytest.mark.parametrize("name", MAPS)
def test_files_and_functions_that_documents_name_exist(name):
    named = re.findall(FILE, (ROOT / name).read_text())

    assert [path for path, _ in named if not list(ROOT.glob(path))] == []
    assert [(path, symbol) for path, symbol in named if symbol and symbol not in symbols(path)] == []


def symbols(path):
    """The names of a module: its classes, functions and constants, and `Class.method`."""
    found = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        targets = getattr(node, "targets", [getattr(node, "target", node)])
        found |= {getattr(each, "name", getattr(each, "id", "")) for each in targets}
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


def test_every_decision_stands_in_the_index_by_topic():
    text = (ROOT / "docs" / "decisions.md").read_text()
    titles = re.findall(r"^\*\*[\d-]{10}\. ([^*]+?)\.?\*\*", text, re.MULTILINE)
    by_topic = [
        title for line in re.findall(r"^- \*\*.*?:\*\* (.*)$", text, re.MULTILINE) for title in line.split(" · ")
    ]

    assert sorted(by_topic) == sorted(titles)


def test_the_commands_that_documents_show_print_what_they_say():
    shown = re.findall(r"^\$ (.*)\n((?:[^$`\n].*\n)*)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)

    assert len(shown) == 6
    for command, output in shown:
        printed = subprocess.run(
            command, shell=True, cwd=ROOT, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=True
        )
        assert (command, printed.stdout) == (command, output)


def test_the_declared_types_are_the_published_ones_by_their_numbers_for_ever():
    assert {kind.name: number for number, kind in NUMBERS.items()} == published_types.NUMBERS


def test_the_english_catalogue_has_the_published_sentences_and_groups():
    groups = {t(f"group.{group.name}"): [kind.name for kind in types] for group, types in types_by_group().items()}

    assert {name: t(f"type.{name}.about") for name in TYPES} == published_types.DESCRIPTIONS
    assert groups == {title: list(types) for title, types in published_types.GROUPS.items()}


def test_the_procfiles_programs_are_there():
    programs = re.findall(r"python (?:-m )?([\w.]+)", (ROOT / "Procfile").read_text())

    assert programs == ["manage.py", "uvicorn", "dramatiq", "scheduler.py"]
    assert all((ROOT / name).exists() for name in programs if name.endswith(".py"))
