"""`make audit`: vulnerabilities, unsafe code and the bill of materials."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from sandbox import dev_servers
from tests.support import audit

HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["9"]}


def saying(stdout: str, code: int = 0):
    """Outside programs that end with this output and exit code."""
    return lambda *_: subprocess.CompletedProcess([], code, stdout, "A host that is not to be named.")


def report(**holes):
    known = [
        {"name": name, "version": version, "vulns": holes.get(name, [])} for name, version in audit.pinned().items()
    ]
    return json.dumps({"dependencies": known})


def test_the_audited_requirements_are_productions():
    lines = (dev_servers.CHECKOUT / "requirements.txt").read_text().splitlines()

    assert len(audit.pinned()) == len([line for line in lines if re.match(r"\w", line)]) > 20


def test_a_vulnerability_is_named_and_fails(capsys):
    assert not audit.vulnerabilities(saying(report(starlette=[HOLE]), 1))

    assert capsys.readouterr().out == f"starlette {audit.pinned()['starlette']}: PYSEC-2026-1\n"


def test_without_a_vulnerability_the_audit_passes(capsys):
    assert audit.vulnerabilities(saying(report()))

    assert capsys.readouterr().out == f"Known vulnerabilities: none in {len(audit.pinned())} requirements.\n"


@pytest.mark.parametrize(
    "output",
    ["", "Traceback", json.dumps({"dependencies": [{"name": "starlette", "skip_reason": "not found"}]})],
    ids=["nothing", "an error", "skipped"],
)
def test_an_unavailable_index_is_reported_and_does_not_fail(output, capsys):
    assert audit.vulnerabilities(saying(output))

    count = len(audit.pinned())
    assert capsys.readouterr().out.splitlines() == [
        f"Known vulnerabilities: the index did not answer for {count} of {count} requirements, which were not checked.",
    ]


def test_unsafe_code_fails_the_audit(tmp_path, capsys):
    assert not audit.unsafe_code(saying("x.py:1:1: S301 pickle", 1))
    assert audit.unsafe_code()

    assert capsys.readouterr().out.splitlines() == ["x.py:1:1: S301 pickle", "Unsafe code: none by ruff's S rules."]


def test_the_bill_of_materials_lists_every_requirement_with_its_url(tmp_path):
    audit.bill(tmp_path / "sbom.json")

    found = json.loads((tmp_path / "sbom.json").read_text())
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert {each["name"]: each["version"] for each in found["components"]} == audit.pinned()
    assert all(each["purl"].startswith("pkg:pypi/") for each in found["components"])


def test_the_bill_of_materials_is_not_committed():
    assert (
        subprocess.run(["git", "check-ignore", "-q", audit.BILL], cwd=dev_servers.CHECKOUT, check=False).returncode == 0
    )
