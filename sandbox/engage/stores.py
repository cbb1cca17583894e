"""A tenant's stores, with every field that Engage has for one."""

from __future__ import annotations

from typing import Any

from sandbox.engage.fields import validation_error
from sandbox.engage.http.messages import Refusal

TEXT_FIELDS = (
    "name",
    "externalId",
    "city",
    "countryCode",
    "county",
    "email",
    "adjacentZipCodes",
    "emailUnsubscribeText",
    "emailViewOnlineText",
    "footerHtml",
    "headerHtml",
    "homepage",
    "phoneNumber",
    "region",
    "senderAddress",
    "senderName",
    "street",
    "type",
    "zipCode",
    "timeZone",
    "locale",
)
STORE_TYPES = ("ECOM", "RETAIL")

Store = dict[str, Any]


class Stores:
    """Stores by their external ids, which are unique and may change."""

    def __init__(self) -> None:
        self._by_id: dict[str, Store] = {}

    def __contains__(self, external_id: str) -> bool:
        return external_id in self._by_id

    def all(self, *, inactive: bool) -> list[Store]:
        """The active stores, and the inactive ones on request."""
        return [store for store in self._by_id.values() if inactive or store["active"]]

    def get(self, external_id: str) -> Store:
        """Raises Refusal with StoreNotFound."""
        if found := self._by_id.get(external_id):
            return found
        raise Refusal(404, "StoreNotFound", "No store has this external id.")

    def create(self, fields: dict[str, Any]) -> Store:
        """Raises Refusal where name or external id is missing, the id is taken, or a field is wrong."""
        known = _known(fields)
        if missing := [name for name in ("name", "externalId") if not known.get(name)]:
            raise Refusal(400, "ValidationError", f"{missing[0]} is required.")
        self._refuse_taken(known["externalId"])
        store = dict.fromkeys(TEXT_FIELDS) | {"active": True, "type": "ECOM"} | known
        return self._by_id.setdefault(known["externalId"], store)

    def change(self, external_id: str, fields: dict[str, Any]) -> Store:
        """Set the given fields, the external id too. Unknown names are ignored."""
        store, known = self.get(external_id), _known(fields)
        new_id = known.get("externalId") or external_id
        if new_id != external_id:
            self._refuse_taken(new_id)
        del self._by_id[external_id]
        store |= known | {"externalId": new_id}
        return self._by_id.setdefault(new_id, store)

    def _refuse_taken(self, external_id: str) -> None:
        if external_id in self._by_id:
            raise Refusal(409, "StoreExists", "A store with this external id exists.")


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in fields.items() if name in TEXT_FIELDS or name == "active"}
    for name, value in known.items():
        if not isinstance(value, bool if name == "active" else str | None):
            raise validation_error(f"{name} must be {'true or false' if name == 'active' else 'a text'}.")
    if known.get("type", "ECOM") not in STORE_TYPES:
        raise validation_error("type must be ECOM or RETAIL.")
    return known
