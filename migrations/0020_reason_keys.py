"""Turn the sentences that were stored as reasons into keys with parameters. What is not recognised stays as it is.

In batches, each a transaction of its own, so that no row is locked for long; it may be repeated after an interruption.
"""

# ruff: noqa: E501, S608  (sentences as they were stored; names of tables that are written here)

import json
import re
from functools import cache, lru_cache
from string import Formatter

atomic = False  # for playhouse.migrations

BATCH = 5_000
SYSTEMS = {"Engage": 1, "Shopify": 2, "Shopify's storage": 3}
SYSTEM = "Engage|Shopify's storage|Shopify"  # what {system} can stand for; other placeholders match any text
NUMBERS = {"attempts", "workers"}
# Ends of other sentences.
ENDINGS = {
    "given_up": "{reason} Given up after {attempts} attempts.",
    "waited_for_a_day": "{reason} Waited for a day.",
    "may_have_arrived": (
        "{reason} It may have arrived all the same, and a second one could reach the customer twice; send it again by hand."
    ),
}
# The first that matches is the reason.
REASONS = {
    "customer_not_in_engage": "Its customer is not in Engage: {reason}",
    "replaced": "Replaced by a newer one.",
    "erased": "Erased as the law asks.",
    "app_uninstalled": "The app was removed from the shop.",
    "engage_not_connected": "Engage is not connected yet. An import brings what has happened until then.",
    "shopify_token_expired": "Shopify's token for this shop has ended: open the app in Shopify's admin once.",
    "shopify_token_missing": "Shopify gives the app no token for this shop: open the app in Shopify.",
    "app_reinstalled": "The shop has the app: it was installed again.",
    "customer_no_email_or_phone": "The customer has neither a valid e-mail address nor a valid phone number, so Engage has no key for them.",
    "customer_no_email": "The customer has no valid e-mail address, so Engage has no key for them.",
    "customer_no_phone": "The customer has no valid phone number, so Engage has no key for them.",
    "nothing_changed": "Nothing that Engage keeps has changed.",
    "customer_deleted": "The customer was deleted at Shopify.",
    "customer_not_found": "Shopify no longer has this customer.",
    "merge_failed": "Shopify could not merge the customers.",
    "order_not_found": "Shopify no longer has this order.",
    "refund_not_found": "Shopify no longer has this refund.",
    "fulfillment_not_found": "Shopify no longer has this parcel.",
    "test_order": "This is a test order, and Engage gets real sales only.",
    "test_order_notification": "This is a test order, and Engage writes about real ones only.",
    "test_order_refund": "This is a refund of a test order, and Engage gets real sales only.",
    "order_no_customer": "The order has no customer, so there is no contact for its receipt.",
    "order_no_contact": "The order has no customer, so there is no contact for it.",
    "order_cancelled_unpaid": "The order was cancelled before it was paid, so nothing was sold.",
    "order_no_lines": "Every line was removed from the order, so nothing was sold.",
    "order_unpaid": "The order is not paid yet ({state}).",
    "order_unfulfilled": "The order is not fulfilled yet ({state}).",
    "receipt_already_sent": "Its receipt is at Engage already.",
    "refund_newer_than_order": "One of its refunds is newer than what is known of the order, which is read anew.",
    "refund_nothing_sold": "Nothing came off the sale with this refund: what was returned was free, or its price was kept.",
    "refund_of_order_edit": "The money settles an edit of the order, and the edit's own correction tells Engage.",
    "refund_of_freight": "Only freight was refunded, and this shop's receipts leave freight out.",
    "order_cancelled_unconfirmed": "The order was cancelled before its confirmation went out.",
    "refund_no_money": "No money goes back with this refund.",
    "order_no_email": "The order has no e-mail address to write to.",
    "order_no_articles": "The order has no articles to write about.",
    "fulfillment_not_sent": "The parcel is not on its way ({status}).",
    "preferences_already_sent": "Engage has been told of every answer already.",
    "preferences_equal": "Engage has these preferences already.",
    "preferences_sync_off": "What changes in Engage is not brought to Shopify: the shop has this turned off.",
    "preferences_outdated": "Shopify has this answer already, or a newer one.",
    "customer_no_contact": "The customer is not a contact yet; becoming one brings the preferences along.",
    "event_ignored": "Nothing follows from {event}.",
    "contact_unknown": "No customer of the shop is this contact.",
    "contact_not_found": "Engage no longer has this contact.",
    "import_cancelled": "The import was cancelled.",
    "import_paused": "The import is paused.",
    "import_step_replaced": "Another task goes on with this import.",
    "import_contact_exists": "It is a contact in Engage already, and an import changes none.",
    "import_contact_missing": "Its customer is not a contact in Engage, and an import makes none for an order.",
    "bulk_operation_unknown": "No import waits for this operation.",
    "store_default": "Its store is the shop's default, {store}: the map of stores has no entry for {names}.",
    "awaiting_contact": "Its customer is not a contact in Engage yet.",
    "awaiting_import_contact": "Its customer is on the way to Engage.",
    "contact_being_created": "Engage is creating this contact already.",
    "awaiting_refunds": "Its refunds have not all been read yet.",
    "awaiting_order": "Its order has not been read since.",
    "awaiting_receipt": "The order's own receipt goes first.",
    "customer_tasks_running": "Tasks of the customer are still running.",
    "shop_tasks_running": "Tasks of the shop are still running.",
    "new_data_arrived": "Something came in meanwhile.",
    "import_running": "An import is under way that may bring the customer back.",
    "bulk_query_running": "Shopify is still collecting.",
    "bulk_query_starting": "An import is just beginning its query.",
    "import_backlog": "Enough of the import is under way.",
    "import_tasks_pending": "What was read is still on its way to Engage.",
    "engage_paused": "Engage is paused.",
    "shopify_calls_waiting": "Many calls to Shopify are waiting.",
    "engage_calls_waiting": "Many calls to Engage are waiting.",
    "shopify_throttled": "Shopify asks to slow down.",
    "bulk_query_limit": "Shopify has enough bulk operations: {said}",
    "bulk_result_url_expired": "The bulk result's address is no longer valid ({status}).",
    "bulk_result_changed": "The bulk result is another file than the one that was being read.",
    "bulk_result_too_short": "The bulk result has {size} bytes, and {read} were read.",
    "webhook_not_json": "The webhook's body is not readable JSON ({error}).",
    "webhook_not_an_object": "The webhook's body is no JSON object.",
    "webhook_field_missing": "The webhook's body has no usable {field}.",
    "webhook_no_customer": "The webhook names no customer and no order.",
    "event_no_contact": "Engage's webhook names no contact.",
    "webhook_no_bulk_operation": "The webhook's body names no bulk operation.",
    "webhook_topic_missing": "The webhook does not say what it is about.",
    "webhook_no_merged_customer": "The webhook does not say which customer was {which}.",
    "contact_preference_missing": "Engage's contact does not say what {preference} is.",
    "event_type_missing": "Engage sent a webhook that does not say what happened.",
    "event_payload_missing": "Engage sent a webhook without a payload.",
    "event_not_an_object": "Engage sent a webhook that is not a JSON object.",
    "event_encrypted": "Engage encrypts this webhook, which the connector cannot read: turn encryption off there.",
    "bulk_query_ended_early": "Shopify ended the query early: {status}.",
    "bulk_result_not_found": "Shopify no longer has the result; begin a new import.",
    "bulk_operation_not_found": "Shopify does not know this bulk operation any more; begin a new import.",
    "bulk_line_too_long": "A line of the bulk result is longer than {size} MB.",
    "host_name_invalid": "The name of the shop or of its tenant cannot be part of an address.",
    "private_address": "The name leads to an address that is not public.",
    "bulk_result_foreign_host": "A bulk result is not fetched from {address}.",
    "notifications_off": "The shop does not have its shoppers written to about orders.",
    "refund_not_read": "Its refund has not been read yet.",
    "sent_body_deleted": "What was sent is no longer kept, so it cannot be sent again.",
    "resend_not_allowed": "What was sent was for another tenant or another contact, or is nothing that may be sent again.",
    "error_response_with_message": "{system} answered {status}: {said}",
    "unexpected_response": "Engage answered {status} with something other than what was asked for.",
    "error_response": "{system} answered {status}.",
    "unreachable": "{system} could not be reached.",
    "response_timeout": "{system} did not answer within {seconds} seconds.",
    "no_response": "{system} did not answer.",
    "connection_closed": "{system} closed the connection before its answer was complete.",
    "unreadable_response": "{system} sent an answer that could not be read.",
    "incomplete_response": "{system} sent an answer without {missing}.",
    "response_too_large": "{system} sent more than {size} MB.",
    "invalid_request": "The request to {system} could not be made ({error}).",
    "engage_key_malformed": "The Engage API key has characters that no such key has.",
    "storage_length_missing": "{system} did not say where its answer ends.",
    "storage_wrong_range": "{system} sent another part of the file than was asked for.",
    "storage_connection_closed": "Shopify's storage broke off its answer.",
    "storage_too_slow": "Shopify's storage sends too slowly.",
    "changed_while_read": "Shopify changed the {name} each time it was being read.",
    "markets_changed_while_read": "Shopify changed the markets while they were being read.",
    "shopify_failed": "Shopify failed: {said}",
    "shopify_request_rejected": "Shopify rejected the request: {said}",
    "shopify_change_rejected": "Shopify rejected the change: {said}",
    "shopify_protected_data": "Shopify withholds protected customer data from this app: {said}",
    "shopify_shop_inactive": "The shop is not active: {said}",
    "shopify_search_ignored": "Shopify did not understand the search: {said}",
    "shopify_consent_kept": "Shopify kept the consent {state} although it was sent a newer one.",
    "shopify_consent_no_address": "The customer has no {name} at Shopify to consent for.",
    "worker_lost": "The worker was lost.",
    "worker_lost_sending": "The worker was lost while sending.",
    "workers_lost": "{workers} workers were lost at it.",
    "time_limit": "Took longer than {seconds} seconds.",
    "internal_error": "Our own code failed ({error}).",
}
# The errors that calls ended with: by system, and by the system's own code, the status or its class.
ERRORS = {
    (None, "outcome unknown"): "outcome_unknown",
    (None, "NOT_APPLIED"): "shopify_consent_unchanged",
    (None, "NOTHING_TO_CONSENT_FOR"): "shopify_no_consent_address",
    (1, ""): "engage_no_response",
    (1, "1xx"): "engage_unreadable_response",
    (1, "2xx"): "engage_unreadable_response",
    (1, "3xx"): "engage_redirect",
    (1, "400"): "engage_bad_request",
    (1, "401"): "engage_key_rejected",
    (1, "403"): "engage_forbidden",
    (1, "402"): "engage_tenant_closed",
    (1, "423"): "engage_tenant_closed",
    (1, "404"): "engage_not_found",
    (1, "408"): "engage_server_error",
    (1, "425"): "engage_server_error",
    (1, "5xx"): "engage_server_error",
    (1, "409"): "engage_key_taken",
    (1, "422"): "engage_validation_error",
    (1, "429"): "engage_rate_limited",
    (1, "430"): "engage_rate_limited",
    (1, "4xx"): "engage_client_error",
    (1, "InvalidEmailAddress"): "engage_invalid_email",
    (1, "InvalidPhoneNumber"): "engage_invalid_phone",
    (1, "InvalidSocialSecurityNumber"): "engage_invalid_personal_number",
    (1, "InvalidContactType"): "engage_unknown_contact_type",
    (1, "InvalidSearchQuery"): "engage_invalid_search",
    (1, "InvalidSystemConfiguration"): "engage_misconfigured",
    (1, "NoData"): "engage_no_data",
    (1, "ContactNotFound"): "engage_contact_not_found",
    (1, "MultipleMatches"): "engage_multiple_contacts",
    (1, "ApprovedContactWithKeyExists"): "engage_key_taken",
    (1, "ContactWithKeyIsBeingCreated"): "engage_contact_being_created",
    (1, "ValidationError"): "engage_validation_error",
    (2, ""): "shopify_no_response",
    (2, "1xx"): "shopify_incomplete",
    (2, "2xx"): "shopify_incomplete",
    (2, "3xx"): "shopify_redirect",
    (2, "401"): "shopify_token_rejected",
    (2, "402"): "shopify_shop_frozen",
    (2, "423"): "shopify_shop_frozen",
    (2, "SHOP_INACTIVE"): "shopify_shop_frozen",
    (2, "403"): "shopify_forbidden",
    (2, "404"): "shopify_not_found",
    (2, "408"): "shopify_server_error",
    (2, "425"): "shopify_server_error",
    (2, "5xx"): "shopify_server_error",
    (2, "INTERNAL_SERVER_ERROR"): "shopify_server_error",
    (2, "INTERNAL_ERROR"): "shopify_server_error",
    (2, "TIMEOUT"): "shopify_server_error",
    (2, "429"): "shopify_rate_limited",
    (2, "430"): "shopify_rate_limited",
    (2, "THROTTLED"): "shopify_rate_limited",
    (2, "4xx"): "shopify_bad_request",
    (2, "INVALID"): "shopify_bad_request",
    (2, "INCLUSION"): "shopify_bad_request",
    (2, "MISSING_ARGUMENT"): "shopify_bad_request",
    (2, "ACCESS_DENIED"): "shopify_access_denied",
    (2, "MAX_COST_EXCEEDED"): "shopify_query_too_costly",
    (2, "SEARCH_WARNING"): "shopify_invalid_search",
    (2, "LIMIT_REACHED"): "shopify_bulk_busy",
    (2, "OPERATION_IN_PROGRESS"): "shopify_bulk_busy",
    (3, ""): "shopify_storage",
    (3, "1xx"): "shopify_storage",
    (3, "2xx"): "shopify_storage",
    (3, "3xx"): "shopify_storage",
    (3, "4xx"): "shopify_storage",
    (3, "5xx"): "shopify_storage",
}
ERRORS_BY_REASON = {"engage_key_malformed": "engage_key_rejected", "invalid_request": "request_not_made"}


def up(migrator, db):
    _convert(db, "task", ("id",))
    _convert(db, "attempt", ("task_id", "number"))
    for table, column in (
        ("customer", "skipped"),
        ("shop", "pause_reason"),
        ("bulk_part", "note"),
        ("exchange", "error"),
    ):
        _convert_column(db, table, column)


def recognise(text):
    """Return the key of a reason and its parameters, or None for another text."""
    for ending, pattern in _patterns(tuple(ENDINGS)):
        if (match := pattern.fullmatch(text)) and (inner := recognise(match["reason"])):
            key, params = inner
            return key, params | {"ending": ending} | _values(match, without="reason")
    for key, pattern in _patterns(tuple(REASONS)):
        if match := pattern.fullmatch(text):
            return _with_inner(key, _values(match))
    return None


def _with_inner(key, params):
    if "reason" not in params:
        return key, params
    inner = recognise(params["reason"])
    return (key, {"reason": inner[0]}) if inner and not inner[1] else None


def parse_code(text):
    """Return (system, status, code) of a code such as `Engage 422 ValidationError`."""
    for label in sorted(SYSTEMS, key=len, reverse=True):
        if f"{text or ''} ".startswith(f"{label} "):
            status, _, code = text.removeprefix(label).strip().partition(" ")
            if status.isdigit():
                return SYSTEMS[label], int(status), code or None
            return SYSTEMS[label], None, " ".join(filter(None, (status, code))) or None
    return None, None, text or None


def error_of(system, status, code):
    """Return the key of the error of a call, or None."""
    keys = [code or ""] if code or not status else []
    if status and (not code or status >= 400):
        keys += [str(status), f"{status // 100}xx"]
    return next((ERRORS[system, each] for each in keys if (system, each) in ERRORS), None)


@lru_cache(maxsize=100_000)
def convert(reason, code):
    """Return the columns (reason, params as JSON, system, status, code) of a stored reason and code."""
    system, status, own = parse_code(code)
    found = recognise(reason) if reason else None
    if found is None:
        return reason, None, system, status, own
    key, params = found
    if code and (error := ERRORS_BY_REASON.get(key) or error_of(system, status, own)):
        key, params = error, params | {"sentence": key}
    return key, json.dumps(params) if params else None, system, status, own


@cache
def _patterns(keys):
    texts = ENDINGS | REASONS
    return [(key, _pattern(texts[key])) for key in keys]


def _pattern(text):
    parts = []
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(re.escape(literal))
        if name:
            parts.append(f"(?P<{name}>{SYSTEM if name == 'system' else '.+?'})")
    return re.compile("".join(parts), re.DOTALL)


def _values(match, without=""):
    found = {name: value for name, value in match.groupdict().items() if name != without}
    return {name: int(value) if name in NUMBERS and value.isdigit() else value for name, value in found.items()}


def _convert(db, table, keys):
    """Convert the reasons of a table in the order of its primary key."""
    columns, after = ", ".join(keys), None
    while rows := _next_rows(db, table, columns, after):
        after = rows[-1][: len(keys)]
        changed = [
            (row, new) for row in rows if (new := convert(row[-2], row[-1])) != (row[-2], None, None, None, row[-1])
        ]
        if changed:
            _update(db, table, keys, changed)


def _next_rows(db, table, columns, after):
    beyond = f"AND ({columns}) > ({', '.join(['%s'] * len(after))})" if after else ""
    return db.execute_sql(
        f"""SELECT {columns}, reason, code FROM {table} WHERE (reason IS NOT NULL OR code IS NOT NULL) {beyond}
            ORDER BY {columns} LIMIT {BATCH}""",
        after,
    ).fetchall()


def _update(db, table, keys, changed):
    """Change the rows whose reason is still the one that was read: meanwhile a task may have been retried."""
    types = ("uuid", "integer")[: len(keys)]
    arrays = [[row[index] for row, _ in changed] for index in range(len(keys) + 2)]
    arrays += [[new[index] for _, new in changed] for index in range(5)]
    kinds = (*types, "text", "text", "text", "jsonb", "smallint", "smallint", "text")
    given = ", ".join(f"%s::{each}[]" for each in kinds)
    with db.atomic():
        db.execute_sql(
            f"""UPDATE {table} SET reason = new.reason, params = new.params, system = new.system,
                    status = new.status, code = new.code
                FROM unnest({given}) AS new ({", ".join(keys)}, was, was_code, reason, params, system, status, code)
                WHERE {" AND ".join(f"{table}.{key} = new.{key}" for key in keys)}
                  AND {table}.reason IS NOT DISTINCT FROM new.was AND {table}.code IS NOT DISTINCT FROM new.was_code""",
            arrays,
        )


def _convert_column(db, table, column):
    """Convert a column that holds nothing else: the key alone of a customer, key and parameters together of others."""
    texts = db.execute_sql(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
    known = {text: found for (text,) in texts if (found := recognise(text))}
    new = {
        text: key if column == "skipped" else json.dumps({"key": key, **params}, separators=(",", ":"))
        for text, (key, params) in known.items()
    }
    if new:
        db.execute_sql(
            f"""UPDATE {table} SET {column} = new.text FROM unnest(%s::text[], %s::text[]) AS new (was, text)
                WHERE {table}.{column} = new.was""",
            (list(new), list(new.values())),
        )
