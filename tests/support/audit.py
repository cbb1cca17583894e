"""`make audit`: known holes in what production runs on, unsafe code of ours, and a bill of materials.

The holes are asked for over the network. When it does not answer that is said in a line, the rest is done all the same,
and the audit does not fail for it: it fails for a hole or for unsafe code.
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
UNKNOWN = "Known holes: the index did not answer for {missed} of {count} requirements; nothing is known of those."

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m ...`, whose end is judged by whoever called it."""
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=dev_servers.CHECKOUT, capture_output=True, text=True, check=False
    )


def pinned() -> dict[str, str]:
    """What production runs on: each requirement's version, by its name."""
    return dict(PINNED.findall((dev_servers.CHECKOUT / "requirements.txt").read_text()))


def holes(run: Run = _run) -> bool:
    """Tell the known holes of the requirements. Returns whether there is none, as far as is known."""
    asked = run("pip_audit", "-r", "requirements.txt", "--disable-pip", "--require-hashes", "-f", "json")
    looked_up = _looked_up(asked.stdout)
    missed = len(pinned()) - len(looked_up)
    if missed:
        print(UNKNOWN.format(missed=missed, count=len(pinned())))
    found = [f"{each['name']} {each['version']}: {hole['id']}" for each in looked_up for hole in each["vulns"]]
    if looked_up:
        print("\n".join(found) or f"Known holes: none in {len(looked_up)} requirements.")
    return not found


def _looked_up(report: str) -> list[dict]:
    """Those that the index knew. pip-audit says "none found" of those that it did not, too."""
    try:
        return [each for each in json.loads(report)["dependencies"] if "vulns" in each]
    except json.JSONDecodeError:  # it ended by an error, in place of a report
        return []


def unsafe(run: Run = _run) -> bool:
    """Tell what ruff's security rules find in the app. Returns whether that is nothing."""
    looked = run("ruff", "check", "--select", "S", "--quiet", "--output-format", "concise", ".")
    print(looked.stdout.strip() or "Unsafe code: none by ruff's S rules.")
    return looked.returncode == 0


def bill(path: Path) -> None:
    """Write the bill of materials, in CycloneDX' form."""
    components = [_component(name, version) for name, version in pinned().items()]
    path.write_text(JsonV1Dot6(Bom(components=components)).output_as_string(indent=2) + "\n")
    print(f"Bill of materials: {len(components)} requirements in {path.name}.")


def _component(name: str, version: str) -> Component:
    url = PackageURL("pypi", name=name.lower(), version=version)
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=url, bom_ref=str(url), licenses=_licences(name)
    )


def _licences(name: str) -> list:
    """As the installed package names it, where it does so by one expression."""
    try:
        said = metadata.metadata(name).get("License-Expression")
    except metadata.PackageNotFoundError:  # not for this platform
        return []
    return [LicenseExpression(said)] if said else []


def main() -> None:
    fine = [holes(), unsafe()]
    bill(dev_servers.CHECKOUT / BILL)
    sys.exit(0 if all(fine) else 1)


if __name__ == "__main__":
    main()
