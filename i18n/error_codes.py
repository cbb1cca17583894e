"""Error codes of tasks: which explained error each is, who can act on it, and where.

Codes and reasons that are not in these tables are shown unchanged, without a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from clients import OUTCOME_UNKNOWN


class Responsible(StrEnum):
    """The role that can act on an error."""

    MERCHANT = "merchant"
    INTEGRATOR = "integrator"
    OPERATOR = "operator"
    ENGAGE = "engage"
    NOBODY = "nobody"


class ActionPlace(StrEnum):
    """The page or system where that role acts."""

    ENTITY = "entity"  # the order or customer in Shopify's admin
    SHOPIFY = "shopify"
    ENGAGE = "engage"
    IMPORTS = "imports"


@dataclass(frozen=True)
class Advice:
    """Who acts and where. `retried_automatically`: nobody needs to act while the task is still retried."""

    who: Responsible
    place: ActionPlace | None = None
    retried_automatically: bool = False


NOBODY = Advice(Responsible.NOBODY)
OPERATOR = Advice(Responsible.OPERATOR)
INTEGRATOR = Advice(Responsible.INTEGRATOR)
AT_ENGAGE = Advice(Responsible.INTEGRATOR, ActionPlace.ENGAGE)
IN_SHOPIFY = Advice(Responsible.MERCHANT, ActionPlace.SHOPIFY)
AT_ENTITY = Advice(Responsible.MERCHANT, ActionPlace.ENTITY)
AT_IMPORTS = Advice(Responsible.MERCHANT, ActionPlace.IMPORTS)

# Keys are the names of errors in `locales/*/errors.toml`.
ADVICE_BY_ERROR: dict[str, Advice] = {
    "unusable": OPERATOR,
    "internal": Advice(Responsible.OPERATOR, retried_automatically=True),
    "time_limit": Advice(Responsible.OPERATOR, retried_automatically=True),
    "waited": INTEGRATOR,
    "worker_lost": Advice(Responsible.OPERATOR, retried_automatically=True),
    "outcome_unknown": Advice(Responsible.MERCHANT, ActionPlace.ENGAGE),
    "engage_silent": Advice(Responsible.INTEGRATOR, ActionPlace.ENGAGE, retried_automatically=True),
    "engage_unreadable": Advice(Responsible.ENGAGE, retried_automatically=True),
    "engage_moved": INTEGRATOR,
    "engage_key": AT_ENGAGE,
    "engage_forbidden": AT_ENGAGE,
    "engage_closed": Advice(Responsible.ENGAGE),
    "engage_email": AT_ENTITY,
    "engage_phone": AT_ENTITY,
    "engage_personal_number": AT_ENGAGE,
    "engage_contact_type": AT_ENGAGE,
    "engage_search": OPERATOR,
    "engage_no_data": OPERATOR,
    "engage_misunderstood": Advice(Responsible.INTEGRATOR, ActionPlace.ENTITY),
    "engage_contact_missing": AT_ENTITY,
    "engage_missing": INTEGRATOR,
    "engage_several": Advice(Responsible.MERCHANT, ActionPlace.ENGAGE),
    "engage_taken": Advice(Responsible.MERCHANT, ActionPlace.ENGAGE),
    "engage_being_made": Advice(Responsible.MERCHANT, retried_automatically=True),
    "engage_invalid": Advice(Responsible.INTEGRATOR, ActionPlace.ENTITY),
    "engage_busy": Advice(Responsible.INTEGRATOR, retried_automatically=True),
    "engage_setup": Advice(Responsible.ENGAGE),
    "engage_down": Advice(Responsible.ENGAGE, retried_automatically=True),
    "engage_refused": INTEGRATOR,
    "not_made": INTEGRATOR,
    "shopify_silent": Advice(Responsible.OPERATOR, retried_automatically=True),
    "shopify_moved": INTEGRATOR,
    "shopify_token": IN_SHOPIFY,
    "shopify_frozen": IN_SHOPIFY,
    "shopify_forbidden": IN_SHOPIFY,
    "shopify_denied": OPERATOR,
    "shopify_missing": OPERATOR,
    "shopify_busy": Advice(Responsible.INTEGRATOR, retried_automatically=True),
    "shopify_cost": OPERATOR,
    "shopify_down": Advice(Responsible.OPERATOR, retried_automatically=True),
    "shopify_bulk_busy": Advice(Responsible.MERCHANT, ActionPlace.IMPORTS, retried_automatically=True),
    "shopify_search": OPERATOR,
    "shopify_invalid": OPERATOR,
    "shopify_not_done": Advice(Responsible.OPERATOR, retried_automatically=True),
    "shopify_consent_kept": AT_ENTITY,
    "shopify_nobody_to_ask": AT_ENTITY,
    "storage": Advice(Responsible.MERCHANT, ActionPlace.IMPORTS, retried_automatically=True),
}

# Error names by code and by the system that answered. A code is looked up by the system's own error name, then by the
# status, then by the status class. The code of a call without a status is "".
OURS, ENGAGE, SHOPIFY, STORAGE = "", "Engage", "Shopify", "Shopify's storage"
ERROR_BY_CODE: dict[str, dict[str, str]] = {
    OURS: {
        "unusable": "unusable",
        "internal": "internal",
        "time limit": "time_limit",
        "waited": "waited",
        "worker lost": "worker_lost",
        OUTCOME_UNKNOWN: "outcome_unknown",
        "NOT_APPLIED": "shopify_consent_kept",
        "NOTHING_TO_CONSENT_FOR": "shopify_nobody_to_ask",
    },
    ENGAGE: {
        "": "engage_silent",
        **dict.fromkeys(("1xx", "2xx"), "engage_unreadable"),
        "3xx": "engage_moved",
        "400": "engage_misunderstood",
        "401": "engage_key",
        "403": "engage_forbidden",
        **dict.fromkeys(("402", "423"), "engage_closed"),
        "404": "engage_missing",
        **dict.fromkeys(("408", "425", "5xx"), "engage_down"),
        "409": "engage_taken",
        "422": "engage_invalid",
        **dict.fromkeys(("429", "430"), "engage_busy"),
        "4xx": "engage_refused",
        "InvalidEmailAddress": "engage_email",
        "InvalidPhoneNumber": "engage_phone",
        "InvalidSocialSecurityNumber": "engage_personal_number",
        "InvalidContactType": "engage_contact_type",
        "InvalidSearchQuery": "engage_search",
        "InvalidSystemConfiguration": "engage_setup",
        "NoData": "engage_no_data",
        "ContactNotFound": "engage_contact_missing",
        "MultipleMatches": "engage_several",
        "ApprovedContactWithKeyExists": "engage_taken",
        "ContactWithKeyIsBeingCreated": "engage_being_made",
        "ValidationError": "engage_invalid",
    },
    SHOPIFY: {
        "": "shopify_silent",
        **dict.fromkeys(("1xx", "2xx"), "shopify_not_done"),
        "3xx": "shopify_moved",
        "401": "shopify_token",
        **dict.fromkeys(("402", "423", "SHOP_INACTIVE"), "shopify_frozen"),
        "403": "shopify_forbidden",
        "404": "shopify_missing",
        **dict.fromkeys(("408", "425", "5xx", "INTERNAL_SERVER_ERROR", "INTERNAL_ERROR", "TIMEOUT"), "shopify_down"),
        **dict.fromkeys(("429", "430", "THROTTLED"), "shopify_busy"),
        **dict.fromkeys(("4xx", "INVALID", "INCLUSION", "MISSING_ARGUMENT"), "shopify_invalid"),
        "ACCESS_DENIED": "shopify_denied",
        "MAX_COST_EXCEEDED": "shopify_cost",
        "SEARCH_WARNING": "shopify_search",
        **dict.fromkeys(("LIMIT_REACHED", "OPERATION_IN_PROGRESS"), "shopify_bulk_busy"),
    },
    STORAGE: dict.fromkeys(("", "1xx", "2xx", "3xx", "4xx", "5xx"), "storage"),
}

# Reasons that are more specific than the code stored beside them.
ERROR_BY_REASON: dict[str, str] = {"key_characters": "engage_key", "not_made": "not_made"}
# Reasons with a `todo` text of their own. All other reasons need no action.
ADVICE_BY_REASON: dict[str, Advice] = {
    **dict.fromkeys(("no_key", "no_email_key", "no_phone_key", "no_customer", "no_buyer", "no_email"), AT_ENTITY),
    **dict.fromkeys(("no_longer_kept", "not_again", "token_ended", "no_token"), Advice(Responsible.MERCHANT)),
    "changed_meanwhile": AT_ENTITY,
    **dict.fromkeys(("import_paused", "importing", "bulk_ended_early", "result_gone", "operation_gone"), AT_IMPORTS),
    **dict.fromkeys(("preferences_off", "not_made", "store_default", "not_joined"), INTEGRATOR),
    **dict.fromkeys(("line_too_long", "foreign_storage", "no_name", "not_public"), OPERATOR),
    "event_encrypted": AT_ENGAGE,
}


def error_name(code: str | None) -> str | None:
    """Return the error name of a code such as `Engage 422 ValidationError`, or None for an unknown code."""
    if not code:
        return None
    system = next((each for each in (STORAGE, ENGAGE, SHOPIFY) if f"{code} ".startswith(f"{each} ")), OURS)
    known, rest = ERROR_BY_CODE[system], code.removeprefix(system).strip()
    return next((known[each] for each in _lookup_keys(rest) if each in known), None)


def _lookup_keys(rest: str) -> Iterator[str]:
    status, _, name = rest.partition(" ") if rest[:1].isdigit() else ("", "", rest)
    if name or not status:
        yield name
    if status and (not name or status >= "400"):  # a named error in a 200 response is not explained by the status
        yield from (status, f"{status[0]}xx")
