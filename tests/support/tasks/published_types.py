"""Read the published task types from `published_types.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

GROUPS: dict[str, dict[str, dict[str, object]]] = tomllib.loads(
    Path(__file__).with_name("published_types.toml").read_text()
)
NUMBERS = {name: each["number"] for types in GROUPS.values() for name, each in types.items()}
DESCRIPTIONS = {name: str(each["says"]) for types in GROUPS.values() for name, each in types.items()}
