"""Run bulk operations in the background: each writes a file of lines, and a webhook tells that it has finished."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from graphql import FieldNode, GraphQLError, StringValueNode

from sandbox.shopify.api.access import denied_fields
from sandbox.shopify.api.schema import schema
from sandbox.shopify.api.search import SearchQuery
from sandbox.shopify.bulk.lines import result_lines, selected_fields
from sandbox.shopify.bulk.rules import root_of, selection_of_nodes
from sandbox.shopify.records import ShopRecords
from sandbox.shopify.times import utc

WEEK_SECONDS = 7 * 24 * 3600.0
UNFINISHED = ("CREATED", "RUNNING", "CANCELING")
ENDED = "A bulk operation cannot be canceled when it is {}."
FULL = "The maximum number of bulk query operations for this app and shop is already running."

Json = dict[str, Any]


@dataclass
class BulkOptions:
    """How bulk operations run. `failures`, `lost` and `cuts` are used up, one for each operation or download."""

    seconds: float = 0.0  # that an operation takes at least
    url_seconds: float = WEEK_SECONDS
    at_once: int = 5
    failures: list[str] = field(default_factory=list)  # error codes; such an operation fails half-way
    lost: int = 0  # finish webhooks that are not sent
    cuts: list[int] = field(default_factory=list)  # bytes after which the connection of a download breaks


@dataclass
class BulkOperation:
    """One bulk query of a shop."""

    number: int
    query: str
    created_at: datetime
    path: Path
    status: str = "CREATED"
    error_code: str | None = None
    completed_at: datetime | None = None
    objects: int = 0
    roots: int = 0

    @property
    def gid(self) -> str:
        return f"gid://shopify/BulkOperation/{self.number}"

    @property
    def ended(self) -> bool:
        return self.status not in UNFINISHED


class BulkOperations:
    """One shop's bulk operations. `finished` is called with each that has ended."""

    def __init__(
        self,
        records: ShopRecords,
        options: BulkOptions,
        folder: Callable[[], Path],
        now: Callable[[], datetime],
        finished: Callable[[Json], None],
    ) -> None:
        self.options = options
        self._records = records
        self._folder = folder
        self._now = now
        self._finished = finished
        self._operations: dict[int, BulkOperation] = {}
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(16)
        self._last = 4_200_000_000_000

    def run(self, text: str) -> tuple[BulkOperation | None, Json | None]:
        """Start an operation. Return it, or a user error that says why not."""
        try:
            root = root_of(schema(), text)
            search = SearchQuery(root.name.value, _search_of(root))
        except GraphQLError as error:
            return None, _user_error(error.message, "INVALID")
        with self._lock:
            if sum(not each.ended for each in self._operations.values()) >= self.options.at_once:
                return None, _user_error(FULL, "LIMIT_REACHED")
            self._last += 1
            operation = BulkOperation(
                self._last, text, self._now(), self._folder() / f"{self._records.domain}-{self._last}.jsonl"
            )
            self._operations[operation.number] = operation
        threading.Thread(target=self._work, args=(operation, root, search), name="shopify-bulk", daemon=True).start()
        return operation, None

    def cancel(self, gid: str) -> tuple[BulkOperation | None, Json | None]:
        """Cancel an operation. Return it, and a user error if it cannot be cancelled."""
        operation = self.operation(gid)
        if operation is None:
            return None, _user_error("Bulk operation does not exist", None)
        with self._lock:
            if operation.ended:
                return operation, _user_error(ENDED.format(operation.status.lower()), None)
            operation.status = "CANCELING"
        return operation, None

    def operation(self, gid: str) -> BulkOperation | None:
        prefix, _, number = gid.rpartition("/")
        known = prefix == "gid://shopify/BulkOperation" and number.isdecimal()
        return self._operations.get(int(number)) if known else None

    def operations(self, search: SearchQuery) -> list[BulkOperation]:
        """The operations found, oldest first."""
        return [each for each in list(self._operations.values()) if search.matches(_header(each))]

    def graphql(self, operation: BulkOperation, base: str) -> Json:
        """The operation in the shape of the Admin API. Its URL is a new one each time."""
        has_file = operation.ended and operation.objects > 0
        url = self._url(operation, base) if has_file else None
        return {
            "id": operation.gid,
            "type": "QUERY",
            "status": operation.status,
            "errorCode": operation.error_code,
            "createdAt": utc(operation.created_at),
            "completedAt": operation.completed_at and utc(operation.completed_at),
            "objectCount": str(operation.objects),
            "rootObjectCount": str(operation.roots),
            "fileSize": str(operation.path.stat().st_size) if has_file else None,
            "url": url if operation.status == "COMPLETED" else None,
            "partialDataUrl": url if operation.status == "FAILED" else None,
            "query": operation.query,
        }

    def signed_result(self, number: int, expires: str, signature: str) -> BulkOperation | None:
        """The operation whose file may be fetched with this signature now, or None."""
        operation = self._operations.get(number)
        expected = self._signature(number, expires)
        if operation is None or not hmac.compare_digest(signature, expected) or float(expires) < time.time():
            return None
        return operation

    def _url(self, operation: BulkOperation, base: str) -> str:
        expires = f"{time.time() + self.options.url_seconds:.3f}"
        signature = self._signature(operation.number, expires)
        return f"{base}/bulk/{operation.number}.jsonl?expires={expires}&signature={signature}"

    def _signature(self, number: int, expires: str) -> str:
        return hmac.new(self._key, f"{number} {expires}".encode(), hashlib.sha256).hexdigest()

    def _work(self, operation: BulkOperation, root: FieldNode, search: SearchQuery) -> None:
        started = time.monotonic()
        failure = self.options.failures.pop(0) if self.options.failures else None
        denied = self._records.scopes is not None and denied_fields(schema(), operation.query, self._records.scopes)
        self._set_running(operation)
        with suppress(FileNotFoundError):  # the sandbox was closed meanwhile, and its folder with it
            if denied:
                failure = "ACCESS_DENIED"
            else:
                self._write(operation, root, search, failure)
            self._wait(operation, started)
            self._end(operation, failure)

    def _write(self, operation: BulkOperation, root: FieldNode, search: SearchQuery, failure: str | None) -> None:
        found = _matching(self._records, search, self._records.visible_since(operation.created_at))
        with operation.path.open("wb") as file:
            for line, is_root in result_lines(found, selected_fields(selection_of_nodes(root))):
                if operation.status == "CANCELING" or (failure and operation.roots):
                    return
                file.write(line)
                operation.objects += 1
                operation.roots += is_root

    def _wait(self, operation: BulkOperation, started: float) -> None:
        while operation.status == "RUNNING" and time.monotonic() < started + self.options.seconds:
            time.sleep(0.01)

    def _end(self, operation: BulkOperation, failure: str | None) -> None:
        cancelled = operation.status == "CANCELING"
        operation.completed_at = self._now()
        operation.error_code = None if cancelled else failure
        operation.status = "CANCELED" if cancelled else "FAILED" if failure else "COMPLETED"
        if self.options.lost:
            self.options.lost -= 1
            return
        self._finished(self.graphql(operation, ""))

    def _set_running(self, operation: BulkOperation) -> None:
        with self._lock:
            operation.status = "RUNNING" if operation.status == "CREATED" else operation.status


class ResultFolder:
    """A folder for results, made when first needed and removed at the end."""

    def __init__(self) -> None:
        self._made: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Path:
        with self._lock:
            self._made = self._made or tempfile.TemporaryDirectory(prefix="sandbox-bulk-", ignore_cleanup_errors=True)
            return Path(self._made.name)

    def close(self) -> None:
        if self._made:
            self._made.cleanup()


def _matching(records: ShopRecords, search: SearchQuery, orders_since: datetime | None) -> Iterator[Json]:
    """All entities that the search finds and the app sees; those of the history come first, oldest first."""
    since = orders_since if search.kind == "orders" else None
    if search.kind == "customers":
        headers, read = records.customer_headers(search.since("customer_date")), records.customer
    else:
        headers, read = records.order_headers(search.since("created_at")), records.order
    for shopify_id, created_at, updated_at in headers:
        times = {"created_at": created_at, "customer_date": created_at, "updated_at": updated_at}
        is_visible = since is None or created_at >= since
        if is_visible and search.matches({"id": shopify_id, **times}) and (entity := read(shopify_id)):
            yield entity


def _search_of(root: FieldNode) -> str:
    for argument in root.arguments or ():
        if argument.name.value == "query" and isinstance(argument.value, StringValueNode):
            return argument.value.value
    return ""


def _header(operation: BulkOperation) -> Json:
    times = {"created_at": operation.created_at, "id": operation.number}
    return {**times, "operation_type": "query", "status": operation.status.lower()}


def _user_error(message: str, code: str | None) -> Json:
    return {"field": ["query"] if code else None, "message": message, "code": code}
