"""Report known vulnerabilities and unsafe code, and write a bill of materials (`make audit`).

Vulnerabilities are looked up over the network. Without an answer it says so, does the rest, and does not fail: it
fails for a vulnerability or for unsafe code.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from sandbox import dev_servers

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
BILL = "sbom.json"
UNKNOWN = (
    "Known vulnerabilities: the index did not answer for {missed} of {count} requirements, which were not checked."
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m ...`. The caller checks its exit code."""
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=dev_servers.CHECKOUT, capture_output=True, text=True, check=False
    )


def pinned() -> dict[str, str]:
    """The requirements of production: each one's version, by its name."""
    return dict(PINNED.findall((dev_servers.CHECKOUT / "requirements.txt").read_text()))


def vulnerabilities(run: Run = _run) -> bool:
    """Print the known vulnerabilities of the requirements. Returns whether there is none, as far as is known."""
    done = run("pip_audit", "-r", "requirements.txt", "--disable-pip", "--require-hashes", "-f", "json")
    looked_up = _looked_up(done.stdout)
    missed = len(pinned()) - len(looked_up)
    if missed:
        print(UNKNOWN.format(missed=missed, count=len(pinned())))
    found = [
        f"{each['name']} {each['version']}: {vulnerability['id']}"
        for each in looked_up
        for vulnerability in each["vulns"]
    ]
    if looked_up:
        print("\n".join(found) or f"Known vulnerabilities: none in {len(looked_up)} requirements.")
    return not found


def _looked_up(report: str) -> list[dict]:
    """The requirements that the index knew. pip-audit reports "none found" for the others, too."""
    try:
        return [each for each in json.loads(report)["dependencies"] if "vulns" in each]
    except json.JSONDecodeError:  # an error instead of a report
        return []


def unsafe_code(run: Run = _run) -> bool:
    """Print what ruff's security rules find in the app. Returns whether that is nothing."""
    done = run("ruff", "check", "--select", "S", "--quiet", "--output-format", "concise", ".")
    print(done.stdout.strip() or "Unsafe code: none by ruff's S rules.")
    return done.returncode == 0


def bill(path: Path) -> None:
    """Write the bill of materials in the CycloneDX format."""
    components = [_component(name, version) for name, version in pinned().items()]
    path.write_text(JsonV1Dot6(Bom(components=components)).output_as_string(indent=2) + "\n")
    print(f"Bill of materials: {len(components)} requirements in {path.name}.")


def _component(name: str, version: str) -> Component:
    url = PackageURL("pypi", name=name.lower(), version=version)
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=url, bom_ref=str(url), licenses=_licences(name)
    )


def _licences(name: str) -> list:
    """The license expression of the installed package, if it has one."""
    try:
        expression = metadata.metadata(name).get("License-Expression")
    except metadata.PackageNotFoundError:  # not for this platform
        return []
    return [LicenseExpression(expression)] if expression else []


def main() -> None:
    clean = [vulnerabilities(), unsafe_code()]
    bill(dev_servers.CHECKOUT / BILL)
    sys.exit(0 if all(clean) else 1)


if __name__ == "__main__":
    main()
