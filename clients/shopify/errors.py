"""Translate Shopify's GraphQL errors, which come inside a 200, into our errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from clients import ApiError, Call, NotFound, Refused, Rejected, Throttled, Unavailable, response_cause
from clients.shopify.cost_limiter import LONGEST_WAIT, query_cost
from reasons import Cause, Reason
from redaction.text import redacted_message

BULK_LIMIT_CODES = {"LIMIT_REACHED", "OPERATION_IN_PROGRESS"}  # bulk operations: five at once, or one on older versions
BULK_WAIT = timedelta(seconds=60)
# As in "Access denied for product field. Required access: `read_products` access scope."
REQUIRED_SCOPE = re.compile(r"Required access: `(\w+)`")


class ScopeMissing(Rejected):
    """Fields need access scopes that the shop has not granted to the app: `scopes`."""

    def __init__(self, scopes: frozenset[str], *, call: Call, said: str) -> None:
        super().__init__(Reason.SHOPIFY_REQUEST_REJECTED, call=call, code="ACCESS_DENIED", said=said)
        self.scopes = scopes


def raise_graphql_errors(answer: dict[str, Any], call: Call, *, jitter_seconds: float) -> None:
    """Raise the answer's `errors` or search warnings as one of our errors, if there are any.

    `jitter_seconds` are added to a throttled call's wait, so that calls do not all retry at once.
    """
    if errors := _listed(answer.get("errors")):
        raise _error_of(errors, answer, call, jitter_seconds)
    if warnings := list(_search_warnings(answer.get("extensions"))):
        # Shopify ignores a filter it does not know, and answers with everything.
        raise Rejected(Reason.SHOPIFY_SEARCH_IGNORED, call=call, code="SEARCH_WARNING", said=_joined(warnings))


def raise_user_errors(errors: Any, call: Call) -> None:
    """Raise a mutation's user errors as one of our errors, if there are any."""
    if not (listed := _listed(errors)):
        return
    message = _joined(listed)
    code = next((each["code"] for each in listed if isinstance(each, dict) and isinstance(each.get("code"), str)), None)
    if code in BULK_LIMIT_CODES:
        raise Throttled(Reason.BULK_QUERY_LIMIT, call=call, code=code, retry_after=BULK_WAIT, said=message)
    error = NotFound if "not found" in message.lower() else Rejected
    raise error(Reason.SHOPIFY_CHANGE_REJECTED, call=call, code=code, said=message)


def error_response(call: Call, answer: Any) -> Cause:
    """The cause of an error that an HTTP status tells, with Shopify's own message if there is one."""
    message = _joined(_listed(answer.get("errors") or answer.get("error"))) if isinstance(answer, dict) else ""
    return response_cause(call, message)


def _error_of(errors: list[Any], answer: dict[str, Any], call: Call, jitter_seconds: float) -> ApiError:
    """One error for all of them. Those that a retry may solve come before permanent ones."""
    codes = [_code(each) for each in errors]
    message = _joined(errors)
    if "THROTTLED" in codes:
        wait = timedelta(seconds=_wait(answer) + jitter_seconds)
        return Throttled(Reason.SHOPIFY_THROTTLED, call=call, code="THROTTLED", retry_after=wait)
    if failed := {"INTERNAL_SERVER_ERROR", "TIMEOUT"}.intersection(codes):
        return Unavailable(Reason.SHOPIFY_FAILED, call=call, code=min(failed), said=message)
    if "SHOP_INACTIVE" in codes:
        return Refused(Reason.SHOPIFY_SHOP_INACTIVE, call=call, code="SHOP_INACTIVE", said=message)
    if "ACCESS_DENIED" in codes and _protected(message):
        return Rejected(Reason.SHOPIFY_PROTECTED_DATA, call=call, code="ACCESS_DENIED", said=message)
    code = next(filter(None, codes), None)
    if set(codes) == {"ACCESS_DENIED"} and (scopes := _required_scopes(errors)):
        return ScopeMissing(scopes, call=call, said=message)
    return Rejected(Reason.SHOPIFY_REQUEST_REJECTED, call=call, code=code, said=message)


def _required_scopes(errors: list[Any]) -> frozenset[str]:
    return frozenset(scope for each in errors for scope in REQUIRED_SCOPE.findall(str(each.get("message"))))


def _wait(answer: dict[str, Any]) -> float:
    """Seconds until the shop has the points that the query costs: at least one, also if the figures are missing."""
    cost = query_cost(answer)
    seconds = (cost.requested - cost.available) / cost.rate if cost else 0.0
    return min(max(seconds, 1.0), LONGEST_WAIT)


def _protected(message: str) -> bool:
    return "protected-customer-data" in message or "not approved to" in message


def _code(error: Any) -> str | None:
    extensions = error.get("extensions") if isinstance(error, dict) else None
    code = extensions.get("code") if isinstance(extensions, dict) else None
    return code if isinstance(code, str) else None


def _search_warnings(extensions: Any) -> Iterator[Any]:
    searches = extensions.get("search") if isinstance(extensions, dict) else None
    for search in _listed(searches):
        yield from _listed(search.get("warnings") if isinstance(search, dict) else None)


def _listed(value: Any) -> list[Any]:
    """Shopify's `errors` is a list, a string, or an object by field."""
    match value:
        case list():
            return value
        case dict() if "message" not in value:
            return [f"{key} {_joined(_listed(each))}" for key, each in value.items()]
    return [value] if value else []


def _joined(errors: list[Any]) -> str:
    messages = [str(each.get("message", each)) if isinstance(each, dict) else str(each) for each in errors]
    return redacted_message("; ".join(messages))
