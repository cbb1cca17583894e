"""Result file of a bulk query, streamed line by line over HTTP: in constant memory, resumable at any byte."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType
from urllib.parse import SplitResult, urlsplit

import requests
from urllib3.exceptions import HTTPError

from clients import (
    USER_AGENT,
    ApiError,
    Call,
    Effect,
    Journal,
    NotSent,
    NullJournal,
    Rejected,
    Unanswered,
    response_cause,
)
from clients.http import ssrf_guard
from clients.http.transport import CONNECT_SECONDS, raise_for_status
from reasons import Reason

MAX_LINE_BYTES = 10 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
SILENCE_SECONDS = 30.0
MIN_BYTES_PER_SECOND = 1024  # a slower server would keep a worker busy until its time limit
EXPIRED_STATUSES = {400, 401, 403, 404, 410}  # by which storage services refuse an expired signed URL

LineAndOffset = tuple[bytes, int]


class ResultUrlExpired(ApiError):
    """The URL is no longer valid. Read the bulk operation again: it has a new one."""


class ResultFileChanged(Rejected):
    """The file is not the one that was read up to this byte. Start again from the first byte."""


class BulkResult:
    """Iterates over (line without its end, offset of the next line). A context manager.

    `etag` identifies the file: keep it with the offset, and pass both to resume where a reading ended. A connection
    that breaks is resumed if it delivered at least one line; otherwise Unanswered is raised. `api_url` permits a file
    of that origin, too, as a sandbox has it.
    """

    def __init__(
        self,
        url: str,
        offset: int = 0,
        *,
        etag: str | None = None,
        api_url: str | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.etag = etag
        self.offset = offset
        self._url = _permitted(url, api_url)
        self._journal = journal or NullJournal()
        self._skip = 0
        self._session = requests.Session()
        self._session.trust_env = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, ssrf_guard.GuardedAdapter())
        self._response: requests.Response | None = None
        try:
            self._response = self._open()
        except ApiError:
            self.close()
            raise

    def __enter__(self) -> BulkResult:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
        if self._response is not None:
            self._response.close()

    def __iter__(self) -> Iterator[LineAndOffset]:
        while (response := self._response) is not None:
            start = self.offset
            try:
                yield from self._lines(response)
                self._response = None
            except Unanswered:
                if self.offset == start:
                    raise
                response.close()
                self._response = self._open()
        self.close()

    def _lines(self, response: requests.Response) -> Iterator[LineAndOffset]:
        buffer, searched = bytearray(), 0
        for chunk in _chunks(response, self._skip):
            buffer += chunk
            while (end := buffer.find(b"\n", searched)) >= 0:
                line, searched = bytes(buffer[:end]), 0
                del buffer[: end + 1]
                self.offset += end + 1
                if line.strip():
                    yield line, self.offset
            searched = len(buffer)
            if searched > MAX_LINE_BYTES:
                raise Rejected(Reason.BULK_LINE_TOO_LONG, size=MAX_LINE_BYTES >> 20)
        if buffer:
            self.offset += len(buffer)
            yield bytes(buffer), self.offset

    def _open(self) -> requests.Response | None:
        """The response from our offset on, or None if nothing is left."""
        call = Call("Shopify's storage", "GET", self._url.partition("?")[0], Effect.READ)  # the query holds the key
        self._journal.sending(call)
        begun = time.monotonic()
        try:
            response = self._get(call)
        except ApiError as error:
            error.call = error.call or call
            call.error = error.cause
            raise
        finally:
            call.unknown = False
            call.duration = timedelta(seconds=time.monotonic() - begun)
            self._journal.answered(call)
        try:
            return self._checked(response, call)
        except ApiError:
            response.close()
            raise

    def _get(self, call: Call) -> requests.Response:
        try:
            response = self._session.get(
                self._url,
                headers=self._headers(),
                timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
                allow_redirects=False,
                stream=True,
            )
            call.status = response.status_code
            return response
        except (requests.ConnectTimeout, requests.exceptions.SSLError) as error:
            raise NotSent(Reason.UNREACHABLE, call=call, system=call.system) from error
        except requests.RequestException as error:
            raise Unanswered(Reason.NO_RESPONSE, call=call, system=call.system) from error

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT}  # offsets count uncompressed bytes
        if self.offset:
            headers["Range"] = f"bytes={self.offset}-"
            headers |= {"If-Range": self.etag} if self.etag and not self.etag.startswith("W/") else {}
        return headers

    def _checked(self, response: requests.Response, call: Call) -> requests.Response | None:
        if response.status_code in EXPIRED_STATUSES:
            raise ResultUrlExpired(Reason.BULK_RESULT_URL_EXPIRED, call=call, status=response.status_code)
        if response.status_code == 416:
            self._check_end(response, call)
            response.close()
            return None
        raise_for_status(response, call, response_cause(call))
        known, self.etag = self.etag, response.headers.get("ETag") or self.etag
        if known and known != self.etag:
            raise ResultFileChanged(Reason.BULK_RESULT_CHANGED, call=call)
        self._skip = self._to_skip(response, call)
        if "Content-Length" not in response.headers and not response.raw.chunked:
            raise Unanswered(Reason.STORAGE_LENGTH_MISSING, call=call, system=call.system)
        return response

    def _check_end(self, response: requests.Response, call: Call) -> None:
        size = response.headers.get("Content-Range", "").rpartition("/")[2]
        if size != str(self.offset):
            read = str(self.offset)
            raise ResultFileChanged(Reason.BULK_RESULT_TOO_SHORT, call=call, size=size or "fewer", read=read)

    def _to_skip(self, response: requests.Response, call: Call) -> int:
        """How many bytes of this response precede our offset: all of them if the server supports no ranges."""
        if response.status_code != 206:
            return self.offset
        start = response.headers.get("Content-Range", "").partition("-")[0].removeprefix("bytes").strip()
        if start != str(self.offset):
            raise Unanswered(Reason.STORAGE_WRONG_RANGE, call=call, system=call.system)
        return 0


def _chunks(response: requests.Response, skip: int) -> Iterator[bytes]:
    """The body without its first `skip` bytes, as it arrives."""
    waited, received = 0.0, 0
    while True:
        begun = time.monotonic()
        try:
            chunk: bytes = response.raw.read1(CHUNK_BYTES)
        except (HTTPError, OSError) as error:
            raise Unanswered(Reason.STORAGE_CONNECTION_CLOSED) from error
        waited, received = waited + time.monotonic() - begun, received + len(chunk)
        if not chunk:
            return
        if waited > SILENCE_SECONDS and received < waited * MIN_BYTES_PER_SECOND:
            raise Unanswered(Reason.STORAGE_TOO_SLOW)
        yield chunk[skip:]
        skip -= min(skip, len(chunk))


def _permitted(url: str, api_url: str | None) -> str:
    """The URL, if it leads to Shopify's storage, or to the Admin API's own origin (as in a sandbox). An SSRF guard."""
    if ssrf_guard.is_shopify_storage(url) or (api_url and _has_origin_of(url, api_url)):
        return url
    parts = _split(url)
    raise Rejected(Reason.BULK_RESULT_FOREIGN_HOST, address=f"{parts.scheme}://{parts.hostname}")


def _has_origin_of(url: str, api_url: str) -> bool:
    """Compares the text, since URL parsers differ in how they read odd characters."""
    origin = "{0.scheme}://{0.netloc}/".format(urlsplit(api_url))
    return url.startswith(origin) and re.fullmatch(r"[!-\[\]-~]+", url) is not None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
