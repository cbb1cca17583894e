"""docs/mapping.md against the mappings: every field that is made is documented, and none that is not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from redaction.shown_fields import folded
from tests.privacy.test_shown_fields import LOOKUPS, body_fields
from tests.project.test_layout import ROOT

# Keys of dictionaries in Shopify's own form, which mappings hand to each other.
SHOPIFYS = set(
    """amount barcode createdat defaultaddress defaultemailaddress emailaddress lineitems locale nodes priceset refund
    refundlineitems refundshippinglines refunds state taxlines variant giftcard""".split()  # noqa: SIM905
)
FIELD = re.compile(r"`([A-Za-z.\[\]]+)`")


def documented_paths() -> Iterator[str]:
    """The fields in the first column of the tables; of several in one row each with the first one's object."""
    tables, _, _ = (ROOT / "docs/mapping.md").read_text().partition("## For those who come")
    for line in tables.splitlines():
        if line.startswith("| `"):
            first, *others = FIELD.findall(line.split("|")[1])
            around = first.rpartition(".")[0]
            yield from (first, *(f"{around}.{each}" if around else each for each in others))


def names_in(paths) -> set[str]:
    return {name.removesuffix("[]") for path in paths for name in path.split(".")}


def test_every_field_that_the_mappings_make_is_documented():
    made = {name for name in body_fields() if folded(name) not in LOOKUPS | SHOPIFYS | {"confirmed"}}

    assert made - names_in(documented_paths()) == set()


def test_every_documented_field_is_made():
    written = "".join(path.read_text() for path in (ROOT / "mappings").rglob("*.py"))
    written += (ROOT / "clients/engage/client.py").read_text()
    names = {name: re.sub("^(Shipping|Billing)", "", name) for name in names_in(documented_paths())}

    assert {name for name, end in names.items() if f'"{name}' not in written and f"}}{end}" not in written} == set()
