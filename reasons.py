"""Reasons and error codes of tasks, as data: why a task was skipped, waits or failed, and whose error it was.

`i18n.explanations` makes sentences of them. The key of a reason is stored with tasks and attempts and published as
`reason_key`: it never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any

import orjson

Parameter = str | int

RESPONSE_MESSAGE = "said"  # the parameter with another system's message: it may contain personal data
INNER_REASON = "reason"  # the parameter with the key of the reason behind this one
SENTENCE_KEY = "sentence"  # the parameter with the key of the sentence, where `Cause.reason` is a CallError
ENDING = "ending"  # the parameter with the `Ending` of a task that was not retried


class Reason(StrEnum):
    """The key of a reason. Its texts are in `locales/*/reasons.toml`."""

    # Skipped: there was nothing to do
    REPLACED = "replaced"
    ERASED = "erased"
    APP_UNINSTALLED = "app_uninstalled"
    ENGAGE_NOT_CONNECTED = "engage_not_connected"
    SHOPIFY_TOKEN_EXPIRED = "shopify_token_expired"  # noqa: S105
    SHOPIFY_TOKEN_MISSING = "shopify_token_missing"  # noqa: S105
    APP_REINSTALLED = "app_reinstalled"
    CUSTOMER_NO_EMAIL_OR_PHONE = "customer_no_email_or_phone"
    CUSTOMER_NO_EMAIL = "customer_no_email"
    CUSTOMER_NO_PHONE = "customer_no_phone"
    CONTACT_KEY_TAKEN = "contact_key_taken"
    CONTACT_KEY_AMBIGUOUS = "contact_key_ambiguous"
    NOTHING_CHANGED = "nothing_changed"
    CUSTOMER_DELETED = "customer_deleted"
    CUSTOMER_NOT_IN_ENGAGE = "customer_not_in_engage"
    CUSTOMER_NOT_FOUND = "customer_not_found"
    MERGE_FAILED = "merge_failed"
    ORDER_NOT_FOUND = "order_not_found"
    ORDER_TOO_OLD = "order_too_old"
    ORDER_DELETED_OR_TOO_OLD = "order_deleted_or_too_old"
    REFUND_NOT_FOUND = "refund_not_found"
    FULFILLMENT_NOT_FOUND = "fulfillment_not_found"
    TEST_ORDER = "test_order"
    TEST_ORDER_NOTIFICATION = "test_order_notification"
    TEST_ORDER_REFUND = "test_order_refund"
    ORDER_NO_CUSTOMER = "order_no_customer"
    ORDER_NO_CONTACT = "order_no_contact"
    SALE_CONTACT_NOT_FOUND = "sale_contact_not_found"
    ORDER_CANCELLED_UNPAID = "order_cancelled_unpaid"
    ORDER_NO_LINES = "order_no_lines"
    ORDER_LEFT_OUT = "order_left_out"
    ORDER_BEFORE_APP = "order_before_app"
    ORDER_UNPAID = "order_unpaid"
    ORDER_CHANGE_UNPAID = "order_change_unpaid"
    ORDER_UNFULFILLED = "order_unfulfilled"
    RECEIPT_ALREADY_SENT = "receipt_already_sent"
    REFUND_NEWER_THAN_ORDER = "refund_newer_than_order"
    REFUND_NOTHING_SOLD = "refund_nothing_sold"
    REFUND_OF_ORDER_EDIT = "refund_of_order_edit"
    REFUND_OF_FREIGHT = "refund_of_freight"
    REFUND_LEFT_OUT = "refund_left_out"
    ORDER_CANCELLED_UNCONFIRMED = "order_cancelled_unconfirmed"
    REFUND_NO_MONEY = "refund_no_money"
    ORDER_NO_EMAIL = "order_no_email"
    ORDER_NO_ARTICLES = "order_no_articles"
    EMAIL_OF_ANOTHER_CONTACT = "email_of_another_contact"
    FULFILLMENT_NOT_SENT = "fulfillment_not_sent"
    NOTIFICATION_KIND_OFF = "notification_kind_off"
    NOTIFICATION_PAYMENT_OFF = "notification_payment_off"
    PREFERENCES_ALREADY_SENT = "preferences_already_sent"
    PREFERENCE_OF_ANOTHER_ADDRESS = "preference_of_another_address"
    PREFERENCES_EQUAL = "preferences_equal"
    PREFERENCES_SYNC_OFF = "preferences_sync_off"
    PREFERENCES_OUTDATED = "preferences_outdated"
    CUSTOMER_NO_CONTACT = "customer_no_contact"
    EVENT_IGNORED = "event_ignored"
    CONTACT_UNKNOWN = "contact_unknown"
    CONTACT_NOT_FOUND = "contact_not_found"
    IMPORT_CANCELLED = "import_cancelled"
    IMPORT_PAUSED = "import_paused"
    IMPORT_STEP_REPLACED = "import_step_replaced"
    IMPORT_CONTACT_EXISTS = "import_contact_exists"
    IMPORT_CONTACT_MISSING = "import_contact_missing"
    BULK_OPERATION_UNKNOWN = "bulk_operation_unknown"

    # Notes on a success
    STORE_DEFAULT = "store_default"
    LOCATION_UNMAPPED = "location_unmapped"
    PRODUCTS_NOT_GRANTED = "products_not_granted"
    EXCHANGE_RATE_UNKNOWN = "exchange_rate_unknown"
    CONTACT_KEY_LEFT_OUT = "contact_key_left_out"
    CONTACT_SHARED = "contact_shared"
    CONTACT_FIELD_REFUSED = "contact_field_refused"
    VOUCHERS_REDEEMED = "vouchers_redeemed"
    VOUCHERS_REACTIVATED = "vouchers_reactivated"

    # Discount codes that were not redeemed, or not given back
    VOUCHER_REDEEMED_BEFORE = "voucher_redeemed_before"
    VOUCHER_EXPIRED = "voucher_expired"
    VOUCHER_NOT_FOUND = "voucher_not_found"
    VOUCHER_REFUSED = "voucher_refused"
    VOUCHER_EXPIRED_SINCE = "voucher_expired_since"
    VOUCHER_REACTIVATION_LIMIT = "voucher_reactivation_limit"
    PROMOTION_NOT_REACTIVATED = "promotion_not_reactivated"

    # Waiting
    AWAITING_CONTACT = "awaiting_contact"
    AWAITING_IMPORT_CONTACT = "awaiting_import_contact"
    CONTACT_BEING_CREATED = "contact_being_created"
    AWAITING_REFUNDS = "awaiting_refunds"
    AWAITING_ORDER = "awaiting_order"
    AWAITING_RECEIPT = "awaiting_receipt"
    CUSTOMER_TASKS_RUNNING = "customer_tasks_running"
    SHOP_TASKS_RUNNING = "shop_tasks_running"
    NEW_DATA_ARRIVED = "new_data_arrived"
    IMPORT_RUNNING = "import_running"
    BULK_QUERY_RUNNING = "bulk_query_running"
    BULK_QUERY_STARTING = "bulk_query_starting"
    IMPORT_BACKLOG = "import_backlog"
    IMPORT_TASKS_PENDING = "import_tasks_pending"
    ENGAGE_PAUSED = "engage_paused"
    WORKER_RESTARTED = "worker_restarted"
    SHOPIFY_CALLS_WAITING = "shopify_calls_waiting"
    ENGAGE_CALLS_WAITING = "engage_calls_waiting"
    SHOPIFY_THROTTLED = "shopify_throttled"
    BULK_QUERY_LIMIT = "bulk_query_limit"
    BULK_RESULT_URL_EXPIRED = "bulk_result_url_expired"
    BULK_RESULT_CHANGED = "bulk_result_changed"
    BULK_RESULT_TOO_SHORT = "bulk_result_too_short"

    # Input that cannot be used
    WEBHOOK_NOT_JSON = "webhook_not_json"
    WEBHOOK_NOT_AN_OBJECT = "webhook_not_an_object"
    WEBHOOK_FIELD_MISSING = "webhook_field_missing"
    WEBHOOK_NO_CUSTOMER = "webhook_no_customer"
    EVENT_NO_CONTACT = "event_no_contact"
    WEBHOOK_NO_BULK_OPERATION = "webhook_no_bulk_operation"
    WEBHOOK_TOPIC_MISSING = "webhook_topic_missing"
    WEBHOOK_NO_MERGED_CUSTOMER = "webhook_no_merged_customer"
    CONTACT_PREFERENCE_MISSING = "contact_preference_missing"
    EVENT_TYPE_MISSING = "event_type_missing"
    EVENT_PAYLOAD_MISSING = "event_payload_missing"
    EVENT_NOT_AN_OBJECT = "event_not_an_object"
    EVENT_ENCRYPTED = "event_encrypted"
    EVENT_KEY_MISMATCH = "event_key_mismatch"
    EVENT_NOT_BASE64 = "event_not_base64"
    EVENT_CIPHERTEXT_LENGTH = "event_ciphertext_length"
    BULK_QUERY_ENDED_EARLY = "bulk_query_ended_early"
    BULK_RESULT_NOT_FOUND = "bulk_result_not_found"
    BULK_OPERATION_NOT_FOUND = "bulk_operation_not_found"
    REFUND_ORDER_TOO_OLD = "refund_order_too_old"
    BULK_LINE_TOO_LONG = "bulk_line_too_long"
    HOST_NAME_INVALID = "host_name_invalid"
    PRIVATE_ADDRESS = "private_address"
    BULK_RESULT_FOREIGN_HOST = "bulk_result_foreign_host"

    # Notifications and requests that cannot be resent
    NOTIFICATIONS_OFF = "notifications_off"
    REFUND_NOT_READ = "refund_not_read"
    SENT_BODY_DELETED = "sent_body_deleted"
    RESEND_NOT_ALLOWED = "resend_not_allowed"

    # Calls that failed
    ERROR_RESPONSE_WITH_MESSAGE = "error_response_with_message"
    UNEXPECTED_RESPONSE = "unexpected_response"
    ERROR_RESPONSE = "error_response"
    TOKEN_ERROR_RESPONSE = "token_error_response"  # noqa: S105
    ID_TOKEN_EXPIRED = "id_token_expired"  # noqa: S105
    UNREACHABLE = "unreachable"
    RESPONSE_TIMEOUT = "response_timeout"
    NO_RESPONSE = "no_response"
    CONNECTION_CLOSED = "connection_closed"
    UNREADABLE_RESPONSE = "unreadable_response"
    INCOMPLETE_RESPONSE = "incomplete_response"
    RESPONSE_TOO_LARGE = "response_too_large"
    INVALID_REQUEST = "invalid_request"
    VOUCHERS_FORBIDDEN = "vouchers_forbidden"
    ENGAGE_KEY_MALFORMED = "engage_key_malformed"
    STORAGE_LENGTH_MISSING = "storage_length_missing"
    STORAGE_WRONG_RANGE = "storage_wrong_range"
    STORAGE_CONNECTION_CLOSED = "storage_connection_closed"
    STORAGE_TOO_SLOW = "storage_too_slow"
    CHANGED_WHILE_READ = "changed_while_read"
    MARKETS_CHANGED_WHILE_READ = "markets_changed_while_read"
    SHOPIFY_FAILED = "shopify_failed"
    SHOPIFY_REQUEST_REJECTED = "shopify_request_rejected"
    SHOPIFY_CHANGE_REJECTED = "shopify_change_rejected"
    SHOPIFY_PROTECTED_DATA = "shopify_protected_data"
    SHOPIFY_SHOP_INACTIVE = "shopify_shop_inactive"
    SHOPIFY_SEARCH_IGNORED = "shopify_search_ignored"
    SHOPIFY_CONSENT_KEPT = "shopify_consent_kept"
    SHOPIFY_CONSENT_NO_ADDRESS = "shopify_consent_no_address"

    # Ours, without a call
    WORKER_LOST = "worker_lost"
    WORKER_LOST_SENDING = "worker_lost_sending"
    WORKERS_LOST = "workers_lost"
    TIME_LIMIT = "time_limit"
    INTERNAL_ERROR = "internal_error"


class CallError(StrEnum):
    """The key of an error of a call. As `Cause.reason` it replaces the call's reason, which still makes the sentence.

    Its texts are in `locales/*/errors.toml`; which response leads to which is in `i18n.error_codes`.
    """

    OUTCOME_UNKNOWN = "outcome_unknown"
    ENGAGE_NO_RESPONSE = "engage_no_response"
    ENGAGE_UNREADABLE_RESPONSE = "engage_unreadable_response"
    ENGAGE_REDIRECT = "engage_redirect"
    ENGAGE_KEY_REJECTED = "engage_key_rejected"
    ENGAGE_FORBIDDEN = "engage_forbidden"
    ENGAGE_VOUCHERS_FORBIDDEN = "engage_vouchers_forbidden"
    ENGAGE_TENANT_CLOSED = "engage_tenant_closed"
    ENGAGE_INVALID_EMAIL = "engage_invalid_email"
    ENGAGE_INVALID_PHONE = "engage_invalid_phone"
    ENGAGE_INVALID_PERSONAL_NUMBER = "engage_invalid_personal_number"
    ENGAGE_UNKNOWN_CONTACT_TYPE = "engage_unknown_contact_type"
    ENGAGE_INVALID_SEARCH = "engage_invalid_search"
    ENGAGE_NO_DATA = "engage_no_data"
    ENGAGE_BAD_REQUEST = "engage_bad_request"
    ENGAGE_CONTACT_NOT_FOUND = "engage_contact_not_found"
    ENGAGE_NOT_FOUND = "engage_not_found"
    ENGAGE_MULTIPLE_CONTACTS = "engage_multiple_contacts"
    ENGAGE_KEY_TAKEN = "engage_key_taken"
    ENGAGE_CONTACT_BEING_CREATED = "engage_contact_being_created"
    ENGAGE_VALIDATION_ERROR = "engage_validation_error"
    ENGAGE_RATE_LIMITED = "engage_rate_limited"
    ENGAGE_MISCONFIGURED = "engage_misconfigured"
    ENGAGE_SERVER_ERROR = "engage_server_error"
    ENGAGE_CLIENT_ERROR = "engage_client_error"
    REQUEST_NOT_MADE = "request_not_made"
    SHOPIFY_NO_RESPONSE = "shopify_no_response"
    SHOPIFY_REDIRECT = "shopify_redirect"
    SHOPIFY_TOKEN_REJECTED = "shopify_token_rejected"  # noqa: S105
    SHOPIFY_SHOP_FROZEN = "shopify_shop_frozen"
    SHOPIFY_FORBIDDEN = "shopify_forbidden"
    SHOPIFY_ACCESS_DENIED = "shopify_access_denied"
    SHOPIFY_NOT_FOUND = "shopify_not_found"
    SHOPIFY_RATE_LIMITED = "shopify_rate_limited"
    SHOPIFY_QUERY_TOO_COSTLY = "shopify_query_too_costly"
    SHOPIFY_SERVER_ERROR = "shopify_server_error"
    SHOPIFY_BULK_BUSY = "shopify_bulk_busy"
    SHOPIFY_INVALID_SEARCH = "shopify_invalid_search"
    SHOPIFY_BAD_REQUEST = "shopify_bad_request"
    SHOPIFY_INCOMPLETE = "shopify_incomplete"
    SHOPIFY_CONSENT_UNCHANGED = "shopify_consent_unchanged"
    SHOPIFY_NO_CONSENT_ADDRESS = "shopify_no_consent_address"
    SHOPIFY_STORAGE = "shopify_storage"


class Ending(StrEnum):
    """Why a task ended in an error although its reason alone would have been retried."""

    GIVEN_UP = "given_up"
    WAITED_FOR_A_DAY = "waited_for_a_day"
    MAY_HAVE_ARRIVED = "may_have_arrived"


@dataclass(frozen=True)
class Cause:
    """A reason with its parameters. Where `reason` is no key it is text of an older version, and shown unchanged."""

    reason: str
    params: Mapping[str, Parameter] = field(default_factory=dict)

    def ended(self, ending: Ending, **params: Parameter) -> Cause:
        """Return the cause of a task that ended in an error for this reason. `params`: those of the ending's text."""
        return replace(self, params={**self.params, ENDING: ending, **params})

    def as_error(self, error: CallError) -> Cause:
        """Return the cause with an error's key as its reason, and the sentence that it had."""
        return Cause(error, {**self.params, SENTENCE_KEY: self.reason})

    @property
    def sentence_key(self) -> str:
        """The key of the reason whose text is the cause's sentence."""
        return str(self.params.get(SENTENCE_KEY, self.reason))

    @property
    def stored_reason(self) -> str:
        """The reason as a text column can hold it."""
        return _storable(self.reason)

    @property
    def stored_params(self) -> str | None:
        """The parameters as JSON, as a jsonb column can hold them; None without any."""
        cleaned = {name: _storable(value) if isinstance(value, str) else value for name, value in self.params.items()}
        return orjson.dumps(cleaned).decode() if cleaned else None

    def dumps(self) -> str:
        """Return the cause as one text, for a column without another for its parameters."""
        return orjson.dumps({"key": self.stored_reason, **orjson.loads(self.stored_params or "{}")}).decode()

    @classmethod
    def loads(cls, text: str | None) -> Cause | None:
        """Return the cause that `dumps` wrote; text of an older version as its reason. None for an empty text."""
        if not text:
            return None
        if not text.startswith('{"key":'):
            return cls(text)
        params: dict[str, Any] = orjson.loads(text)
        return cls(params.pop("key"), params)

    def __str__(self) -> str:
        """The key and its parameters without the other system's message, for the log."""
        shown = ", ".join(f"{name}={value}" for name, value in self.params.items() if name != RESPONSE_MESSAGE)
        return f"{self.reason} ({shown})" if shown else str(self.reason)


def _storable(text: str) -> str:
    """Without what PostgreSQL cannot store and a vendor's message may contain: NUL, and surrogates become `?`."""
    return text.replace("\0", "").encode(errors="replace").decode()


def cause(reason: str, /, **params: Parameter) -> Cause:
    """Make a cause of a reason and its parameters."""
    return Cause(reason, params)


class System(IntEnum):
    """A system that a task calls."""

    ENGAGE = 1
    SHOPIFY = 2
    STORAGE = 3

    @property
    def label(self) -> str:
        """Its name in texts, in JSON and in the record of calls."""
        return _SYSTEM_LABELS[self]

    @classmethod
    def labelled(cls, label: str) -> System:
        """Return the system of this name. Raises KeyError."""
        return {name: system for system, name in _SYSTEM_LABELS.items()}[label]


_SYSTEM_LABELS = {System.ENGAGE: "Engage", System.SHOPIFY: "Shopify", System.STORAGE: "Shopify's storage"}


class Code(StrEnum):
    """An error code of our own. Other codes are another system's."""

    UNUSABLE = "unusable"
    INTERNAL = "internal"
    TIME_LIMIT = "time limit"
    WAITED = "waited"
    WORKER_LOST = "worker lost"
    OUTCOME_UNKNOWN = "outcome unknown"  # the call may have acted, so it is never retried automatically


@dataclass(frozen=True)
class ErrorCode:
    """What failed: the system that was called, the status of its response, and its error code, or a code of ours."""

    code: str | None = None
    system: int | None = None
    status: int | None = None

    def __bool__(self) -> bool:
        return self != NO_ERROR

    def __str__(self) -> str:
        """The code in JSON and CSV, such as `Engage 422 ValidationError`; empty without an error."""
        system = System(self.system).label if self.system else ""
        return " ".join(filter(None, (system, str(self.status or ""), self.code or "")))


NO_ERROR = ErrorCode()


class ReasonError(Exception):
    """An exception with a cause. `str()` is for the log."""

    def __init__(self, reason: Reason | Cause, /, **params: Parameter) -> None:
        self.cause = reason if isinstance(reason, Cause) else Cause(reason, params)
        super().__init__(str(self.cause))
