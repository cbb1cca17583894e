"""Error codes of tasks: which error each is, who can act on it, and where. Other codes are shown without a guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reasons import CallError, Cause, Code, ErrorCode, Reason, System


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


CALL_ERRORS = frozenset(CallError)
NOBODY = Advice(Responsible.NOBODY)
OPERATOR = Advice(Responsible.OPERATOR)
INTEGRATOR = Advice(Responsible.INTEGRATOR)
AT_ENGAGE = Advice(Responsible.INTEGRATOR, ActionPlace.ENGAGE)
MERCHANT_AT_ENGAGE = Advice(Responsible.MERCHANT, ActionPlace.ENGAGE)
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
    CallError.OUTCOME_UNKNOWN: Advice(Responsible.MERCHANT, ActionPlace.ENGAGE),
    CallError.ENGAGE_NO_RESPONSE: Advice(Responsible.INTEGRATOR, ActionPlace.ENGAGE, retried_automatically=True),
    CallError.ENGAGE_UNREADABLE_RESPONSE: Advice(Responsible.ENGAGE, retried_automatically=True),
    CallError.ENGAGE_REDIRECT: INTEGRATOR,
    CallError.ENGAGE_KEY_REJECTED: AT_ENGAGE,
    CallError.ENGAGE_FORBIDDEN: AT_ENGAGE,
    CallError.ENGAGE_VOUCHERS_FORBIDDEN: AT_ENGAGE,
    CallError.ENGAGE_TENANT_CLOSED: Advice(Responsible.ENGAGE),
    CallError.ENGAGE_INVALID_EMAIL: AT_ENTITY,
    CallError.ENGAGE_INVALID_PHONE: AT_ENTITY,
    CallError.ENGAGE_INVALID_PERSONAL_NUMBER: AT_ENGAGE,
    CallError.ENGAGE_UNKNOWN_CONTACT_TYPE: AT_ENGAGE,
    CallError.ENGAGE_INVALID_SEARCH: OPERATOR,
    CallError.ENGAGE_NO_DATA: OPERATOR,
    CallError.ENGAGE_BAD_REQUEST: Advice(Responsible.INTEGRATOR, ActionPlace.ENTITY),
    CallError.ENGAGE_CONTACT_NOT_FOUND: AT_ENTITY,
    CallError.ENGAGE_NOT_FOUND: INTEGRATOR,
    CallError.ENGAGE_MULTIPLE_CONTACTS: Advice(Responsible.MERCHANT, ActionPlace.ENGAGE),
    CallError.ENGAGE_KEY_TAKEN: Advice(Responsible.MERCHANT, ActionPlace.ENGAGE),
    CallError.ENGAGE_CONTACT_BEING_CREATED: Advice(Responsible.MERCHANT, retried_automatically=True),
    CallError.ENGAGE_VALIDATION_ERROR: Advice(Responsible.INTEGRATOR, ActionPlace.ENTITY),
    CallError.ENGAGE_RATE_LIMITED: Advice(Responsible.INTEGRATOR, retried_automatically=True),
    CallError.ENGAGE_MISCONFIGURED: Advice(Responsible.ENGAGE),
    CallError.ENGAGE_SERVER_ERROR: Advice(Responsible.ENGAGE, retried_automatically=True),
    CallError.ENGAGE_CLIENT_ERROR: INTEGRATOR,
    CallError.REQUEST_NOT_MADE: INTEGRATOR,
    CallError.SHOPIFY_NO_RESPONSE: Advice(Responsible.OPERATOR, retried_automatically=True),
    CallError.SHOPIFY_REDIRECT: INTEGRATOR,
    CallError.SHOPIFY_TOKEN_REJECTED: IN_SHOPIFY,
    CallError.SHOPIFY_SHOP_FROZEN: IN_SHOPIFY,
    CallError.SHOPIFY_FORBIDDEN: IN_SHOPIFY,
    CallError.SHOPIFY_ACCESS_DENIED: OPERATOR,
    CallError.SHOPIFY_NOT_FOUND: OPERATOR,
    CallError.SHOPIFY_RATE_LIMITED: Advice(Responsible.INTEGRATOR, retried_automatically=True),
    CallError.SHOPIFY_QUERY_TOO_COSTLY: OPERATOR,
    CallError.SHOPIFY_SERVER_ERROR: Advice(Responsible.OPERATOR, retried_automatically=True),
    CallError.SHOPIFY_BULK_BUSY: Advice(Responsible.MERCHANT, ActionPlace.IMPORTS, retried_automatically=True),
    CallError.SHOPIFY_INVALID_SEARCH: OPERATOR,
    CallError.SHOPIFY_BAD_REQUEST: OPERATOR,
    CallError.SHOPIFY_INCOMPLETE: Advice(Responsible.OPERATOR, retried_automatically=True),
    CallError.SHOPIFY_CONSENT_UNCHANGED: AT_ENTITY,
    CallError.SHOPIFY_NO_CONSENT_ADDRESS: AT_ENTITY,
    CallError.SHOPIFY_STORAGE: Advice(Responsible.MERCHANT, ActionPlace.IMPORTS, retried_automatically=True),
}

# Error names by the system that was called (None: our own codes) and by code. A code is looked up by the system's own
# error name, then by the status, then by the status class; a call without a response has the code "".
ERROR_BY_CODE: dict[System | None, dict[str, str]] = {
    None: {
        Code.UNUSABLE: "unusable",
        Code.INTERNAL: "internal",
        Code.TIME_LIMIT: "time_limit",
        Code.WAITED: "waited",
        Code.WORKER_LOST: "worker_lost",
        Code.OUTCOME_UNKNOWN: CallError.OUTCOME_UNKNOWN,
        "NOT_APPLIED": CallError.SHOPIFY_CONSENT_UNCHANGED,
        "NOTHING_TO_CONSENT_FOR": CallError.SHOPIFY_NO_CONSENT_ADDRESS,
    },
    System.ENGAGE: {
        "": CallError.ENGAGE_NO_RESPONSE,
        **dict.fromkeys(("1xx", "2xx"), CallError.ENGAGE_UNREADABLE_RESPONSE),
        "3xx": CallError.ENGAGE_REDIRECT,
        "400": CallError.ENGAGE_BAD_REQUEST,
        "401": CallError.ENGAGE_KEY_REJECTED,
        "403": CallError.ENGAGE_FORBIDDEN,
        **dict.fromkeys(("402", "423"), CallError.ENGAGE_TENANT_CLOSED),
        "404": CallError.ENGAGE_NOT_FOUND,
        **dict.fromkeys(("408", "425", "5xx"), CallError.ENGAGE_SERVER_ERROR),
        "409": CallError.ENGAGE_KEY_TAKEN,
        "422": CallError.ENGAGE_VALIDATION_ERROR,
        **dict.fromkeys(("429", "430"), CallError.ENGAGE_RATE_LIMITED),
        "4xx": CallError.ENGAGE_CLIENT_ERROR,
        "InvalidEmailAddress": CallError.ENGAGE_INVALID_EMAIL,
        "InvalidPhoneNumber": CallError.ENGAGE_INVALID_PHONE,
        "InvalidSocialSecurityNumber": CallError.ENGAGE_INVALID_PERSONAL_NUMBER,
        "InvalidContactType": CallError.ENGAGE_UNKNOWN_CONTACT_TYPE,
        "InvalidSearchQuery": CallError.ENGAGE_INVALID_SEARCH,
        "InvalidSystemConfiguration": CallError.ENGAGE_MISCONFIGURED,
        "NoData": CallError.ENGAGE_NO_DATA,
        "ContactNotFound": CallError.ENGAGE_CONTACT_NOT_FOUND,
        "MultipleMatches": CallError.ENGAGE_MULTIPLE_CONTACTS,
        "ApprovedContactWithKeyExists": CallError.ENGAGE_KEY_TAKEN,
        "ContactWithKeyIsBeingCreated": CallError.ENGAGE_CONTACT_BEING_CREATED,
        "ValidationError": CallError.ENGAGE_VALIDATION_ERROR,
    },
    System.SHOPIFY: {
        "": CallError.SHOPIFY_NO_RESPONSE,
        **dict.fromkeys(("1xx", "2xx"), CallError.SHOPIFY_INCOMPLETE),
        "3xx": CallError.SHOPIFY_REDIRECT,
        "401": CallError.SHOPIFY_TOKEN_REJECTED,
        **dict.fromkeys(("402", "423", "SHOP_INACTIVE"), CallError.SHOPIFY_SHOP_FROZEN),
        "403": CallError.SHOPIFY_FORBIDDEN,
        "404": CallError.SHOPIFY_NOT_FOUND,
        **dict.fromkeys(
            ("408", "425", "5xx", "INTERNAL_SERVER_ERROR", "INTERNAL_ERROR", "TIMEOUT"), CallError.SHOPIFY_SERVER_ERROR
        ),
        **dict.fromkeys(("429", "430", "THROTTLED"), CallError.SHOPIFY_RATE_LIMITED),
        **dict.fromkeys(("4xx", "INVALID", "INCLUSION", "MISSING_ARGUMENT"), CallError.SHOPIFY_BAD_REQUEST),
        "ACCESS_DENIED": CallError.SHOPIFY_ACCESS_DENIED,
        "MAX_COST_EXCEEDED": CallError.SHOPIFY_QUERY_TOO_COSTLY,
        "SEARCH_WARNING": CallError.SHOPIFY_INVALID_SEARCH,
        **dict.fromkeys(("LIMIT_REACHED", "OPERATION_IN_PROGRESS"), CallError.SHOPIFY_BULK_BUSY),
    },
    System.STORAGE: dict.fromkeys(("", "1xx", "2xx", "3xx", "4xx", "5xx"), CallError.SHOPIFY_STORAGE),
}

# Reasons that are more specific than the code stored beside them.
ERROR_BY_REASON: dict[str, CallError] = {
    Reason.VOUCHERS_FORBIDDEN: CallError.ENGAGE_VOUCHERS_FORBIDDEN,
    Reason.ENGAGE_KEY_MALFORMED: CallError.ENGAGE_KEY_REJECTED,
    Reason.INVALID_REQUEST: CallError.REQUEST_NOT_MADE,
}

# Reasons with a `todo` text of their own. All other reasons need no action.
ADVICE_BY_REASON: dict[str, Advice] = {
    Reason.CUSTOMER_NO_EMAIL_OR_PHONE: AT_ENTITY,
    Reason.CUSTOMER_NO_EMAIL: AT_ENTITY,
    Reason.CUSTOMER_NO_PHONE: AT_ENTITY,
    Reason.SALE_CONTACT_NOT_FOUND: MERCHANT_AT_ENGAGE,
    Reason.EMAIL_OF_ANOTHER_CONTACT: MERCHANT_AT_ENGAGE,
    Reason.CONTACT_KEY_TAKEN: MERCHANT_AT_ENGAGE,
    Reason.CONTACT_KEY_AMBIGUOUS: MERCHANT_AT_ENGAGE,
    Reason.CONTACT_KEY_LEFT_OUT: MERCHANT_AT_ENGAGE,
    Reason.CONTACT_FIELD_REFUSED: AT_ENTITY,
    Reason.ORDER_NO_CUSTOMER: AT_ENTITY,
    Reason.ORDER_NO_CONTACT: AT_ENTITY,
    Reason.ORDER_NO_EMAIL: AT_ENTITY,
    Reason.CHANGED_WHILE_READ: AT_ENTITY,
    Reason.SENT_BODY_DELETED: Advice(Responsible.MERCHANT),
    Reason.RESEND_NOT_ALLOWED: Advice(Responsible.MERCHANT),
    Reason.SHOPIFY_TOKEN_EXPIRED: Advice(Responsible.MERCHANT),
    Reason.SHOPIFY_TOKEN_MISSING: Advice(Responsible.MERCHANT),
    Reason.IMPORT_PAUSED: AT_IMPORTS,
    Reason.IMPORT_RUNNING: AT_IMPORTS,
    Reason.BULK_QUERY_ENDED_EARLY: AT_IMPORTS,
    Reason.BULK_RESULT_NOT_FOUND: AT_IMPORTS,
    Reason.BULK_OPERATION_NOT_FOUND: AT_IMPORTS,
    Reason.ORDER_TOO_OLD: AT_IMPORTS,
    Reason.ORDER_DELETED_OR_TOO_OLD: AT_IMPORTS,
    Reason.REFUND_ORDER_TOO_OLD: AT_IMPORTS,
    Reason.PREFERENCES_SYNC_OFF: INTEGRATOR,
    Reason.INVALID_REQUEST: INTEGRATOR,
    Reason.STORE_DEFAULT: INTEGRATOR,
    Reason.LOCATION_UNMAPPED: INTEGRATOR,
    Reason.PRODUCTS_NOT_GRANTED: Advice(Responsible.MERCHANT),
    Reason.EXCHANGE_RATE_UNKNOWN: INTEGRATOR,
    Reason.VOUCHER_REDEEMED_BEFORE: MERCHANT_AT_ENGAGE,
    Reason.VOUCHER_EXPIRED: MERCHANT_AT_ENGAGE,
    Reason.VOUCHER_NOT_FOUND: MERCHANT_AT_ENGAGE,
    Reason.VOUCHER_REFUSED: MERCHANT_AT_ENGAGE,
    Reason.VOUCHER_EXPIRED_SINCE: MERCHANT_AT_ENGAGE,
    Reason.VOUCHER_REACTIVATION_LIMIT: MERCHANT_AT_ENGAGE,
    Reason.PROMOTION_NOT_REACTIVATED: MERCHANT_AT_ENGAGE,
    Reason.ENGAGE_NOT_CONNECTED: INTEGRATOR,
    Reason.BULK_LINE_TOO_LONG: OPERATOR,
    Reason.BULK_RESULT_FOREIGN_HOST: OPERATOR,
    Reason.HOST_NAME_INVALID: OPERATOR,
    Reason.PRIVATE_ADDRESS: OPERATOR,
    Reason.EVENT_ENCRYPTED: INTEGRATOR,
    Reason.EVENT_KEY_MISMATCH: INTEGRATOR,
    Reason.EVENT_NOT_BASE64: AT_ENGAGE,
    Reason.EVENT_CIPHERTEXT_LENGTH: AT_ENGAGE,
}


def with_error_key(why: Cause, error: ErrorCode) -> Cause:
    """Return the cause with the key of the call's error as its reason, if there is one: tasks are grouped by that."""
    if not error:
        return why
    name = ERROR_BY_REASON.get(why.reason) or error_name(error)
    return why.as_error(CallError(name)) if name in CALL_ERRORS else why


def error_name(error: ErrorCode) -> str | None:
    """Return the name of the explained error that a code is, or None for an unknown code."""
    if not error:
        return None
    known = ERROR_BY_CODE[System(error.system) if error.system else None]
    return next((known[each] for each in _lookup_keys(error.status, error.code or "") if each in known), None)


def _lookup_keys(status: int | None, code: str) -> Iterator[str]:
    if code or not status:
        yield code
    if status and (not code or status >= 400):  # a named error in a 200 response is not explained by the status
        yield from (str(status), f"{status // 100}xx")
