"""Result file of a bulk query: resumed at any byte, in constant memory, from Shopify's storage only."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from clients import NotSent, Rejected, Unanswered, Unavailable
from clients.shopify import bulk_query
from clients.shopify.bulk_result import MAX_LINE_BYTES, BulkResult, ResultFileChanged, ResultUrlExpired
from clients.shopify.client import ShopifyClient
from sandbox import shopify as sandbox
from sandbox.purchases import add_history
from sandbox.serve import serving
from tests.support.tasks.outcomes import raises_saying

TEXT = b'{"id":1}\n{"id":2}\n\n{"id":3,"name":"\xc3\x85sa"}\n{"id":4}'
LINES = [(b'{"id":1}', 9), (b'{"id":2}', 18), (b'{"id":3,"name":"\xc3\x85sa"}', 42), (b'{"id":4}', 50)]


class Storage:
    """A storage with one file, whose responses can be changed."""

    def __init__(self) -> None:
        self.text, self.etag = TEXT, '"one"'
        self.status: int | None = None
        self.ranges = True
        self.cuts: list[int] = []
        self.chunked = False
        self.requests: list = []
        self.app = Starlette(routes=[Route("/file", self._answer)])

    async def _answer(self, request):
        self.requests.append(request.headers)
        if self.status:
            return Response(status_code=self.status, headers={"Location": "http://127.0.0.1:1/"})
        start = self._start(request.headers)
        if start is None or start < len(self.text):
            return self._part(start)
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(self.text)}"})

    def _start(self, headers):
        wanted = headers.get("Range") if self.ranges else None
        fitting = headers.get("If-Range", self.etag) == self.etag
        return int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and fitting else None

    def _part(self, start):
        body, size = self.text[start or 0 :], len(self.text)
        headers = {"ETag": self.etag}
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        if self.chunked:
            return StreamingResponse(iter([body[:7], body[7:]]), 200 if start is None else 206, headers)
        return _Cut(body, 200 if start is None else 206, headers, self.cuts.pop(0) if self.cuts else None)


class _Cut(Response):
    """A response that ends before its length is reached."""

    def __init__(self, body, status, headers, after):
        super().__init__(body, status, headers)
        self._after = after

    async def __call__(self, scope, receive, send):
        if self._after is None:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: self._after], "more_body": True})
        receive.__self__.transport.close()


@pytest.fixture
def storage():
    return Storage()


@pytest.fixture
def url(storage):
    with serving(storage.app) as origin:
        yield f"{origin}/file?signature=secret"


def lines(url, offset=0, **options):
    with BulkResult(url, offset, api_url=url, **options) as opened:
        return list(opened)


def test_each_line_comes_with_the_offset_of_the_next(url):
    assert lines(url) == LINES


@pytest.mark.parametrize("done", range(len(LINES) + 1))
def test_reading_resumes_after_any_line(url, done):
    offset = LINES[done - 1][1] if done else 0

    assert lines(url, offset, etag='"one"') == LINES[done:]


def test_only_the_rest_is_requested_and_only_of_the_same_file(url, storage):
    lines(url, 9, etag='"one"')

    assert (storage.requests[0]["Range"], storage.requests[0]["If-Range"]) == ("bytes=9-", '"one"')


def test_no_access_token_is_sent_to_the_storage(url, storage):
    lines(url)

    assert not {"x-shopify-access-token", "authorization", "cookie"} & set(storage.requests[0])


def test_the_file_is_identified_by_its_etag(url):
    with BulkResult(url, api_url=url) as opened:
        assert opened.etag == '"one"'


def test_another_file_at_the_same_url_is_detected(url, storage):
    storage.etag = '"two"'

    with pytest.raises(ResultFileChanged):
        lines(url, 9, etag='"one"')


def test_a_file_shorter_than_the_offset_is_another_file(url):
    with pytest.raises(ResultFileChanged):
        lines(url, len(TEXT) + 1)


def test_a_server_without_ranges_is_read_from_the_start_and_skipped(url, storage):
    storage.ranges = False

    assert lines(url, 18, etag='"one"') == LINES[2:]


def test_a_chunked_answer_is_read_to_its_end(url, storage):
    storage.chunked = True

    assert lines(url) == LINES


@pytest.mark.parametrize("cuts", [[12], [12, 12], [30, 25], [49]])
def test_a_connection_that_breaks_is_resumed_at_the_last_whole_line(url, storage, cuts):
    storage.cuts = list(cuts)

    assert lines(url) == LINES
    assert len(storage.requests) == 1 + len(cuts)


def test_connections_without_a_new_line_are_not_resumed_for_ever(url, storage):
    storage.cuts = [12, 3, 3]

    with pytest.raises(Unanswered):
        lines(url)

    assert len(storage.requests) == 2


def test_a_last_line_that_was_cut_is_never_returned(url, storage):
    storage.cuts = [49, 4, 4]
    read = []

    with pytest.raises(Unanswered), BulkResult(url, api_url=url) as opened:
        read.extend(opened)

    assert read == LINES[:3]


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_an_expired_url_has_an_error_of_its_own(url, storage, status):
    storage.status = status

    with pytest.raises(ResultUrlExpired) as caught:
        lines(url)

    assert not caught.value.permanent


@pytest.mark.parametrize(("status", "error"), [(503, Unavailable), (302, Rejected), (418, Rejected)])
def test_other_statuses_are_errors_of_the_family(url, storage, status, error):
    storage.status = status

    with pytest.raises(error):
        lines(url)


def test_an_unreachable_storage_is_an_error_of_the_family():
    with pytest.raises((Unanswered, NotSent)):
        lines("http://127.0.0.1:9/file")


def test_a_line_that_is_too_long_is_rejected(url, storage):
    storage.text = b"x" * (MAX_LINE_BYTES + 200_000)

    with raises_saying(Rejected, match="longer than 10 MB"):
        lines(url)


def test_memory_stays_constant_for_a_long_file(url, storage):
    storage.text = b"".join(b'{"id":%d,"name":"someone"}\n' % n for n in range(400_000))
    count = 0

    with BulkResult(url, api_url=url) as opened:
        tracemalloc.start()
        for _ in opened:
            count += 1
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert count == 400_000
    # The server shares this process, and its buffers are of the file's size; ours are a few chunks.
    assert peak < len(storage.text) / 4


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.googleapis.com/x",
        "https://storage.googleapis.com.evil.example/x",
        "https://storage.googleapis.com@evil.example/x",
        "https://evil.example/storage.googleapis.com",
        "https://notshopify.com/x",
        "https://storage.googleapis.com:8443/x",
        "https://user:word@storage.googleapis.com/x",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_url_that_does_not_lead_to_shopifys_storage_is_not_fetched(url):
    with raises_saying(Rejected, match="not fetched"):
        BulkResult(url, api_url="https://demo.myshopify.com/admin")


class RecordingJournal:
    def __init__(self):
        self.calls = []

    def sending(self, call): ...

    def answered(self, call):
        self.calls.append(call)


def test_the_journal_records_the_url_without_its_signature(url):
    journal = RecordingJournal()

    lines(url, journal=journal)

    (call,) = journal.calls
    assert (call.url, call.status, call.received) == (url.partition("?")[0], 200, b"")


# The sandbox's own files


@contextmanager
def sandbox_with_customers(count):
    shopify = sandbox.Shopify("secret", "http://127.0.0.1:9/", workers=0)
    add_history(shopify, "demo.myshopify.com", count, 0)
    with serving(shopify.app) as origin:
        yield shopify, _client(shopify, origin)
    shopify.close()


def _client(shopify, origin):
    return ShopifyClient(f"{origin}/demo.myshopify.com", shopify.token)


def _ended(client):
    text = bulk_query.customers_query(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    operation_id = client.run_bulk_query(text)
    while client.bulk_operation(operation_id)["status"] in bulk_query.UNFINISHED:
        time.sleep(0.01)
    return operation_id


def test_the_sandboxs_file_is_read_in_two_halves_under_two_urls():
    with sandbox_with_customers(300) as (_, client):
        operation_id = _ended(client)
        whole = list(client.bulk_result(client.bulk_operation(operation_id)["url"]))
        first = client.bulk_result(client.bulk_operation(operation_id)["url"])
        for _, offset in first:
            if offset >= whole[149][1]:
                break
        first.close()

        rest = client.bulk_result(client.bulk_operation(operation_id)["url"], offset, etag=first.etag)

        assert list(rest) == whole[150:]


def test_the_sandboxs_urls_expire_and_are_renewed_on_request():
    with sandbox_with_customers(3) as (shopify, client):
        operation_id = _ended(client)
        shopify.bulk.url_seconds = -1
        with pytest.raises(ResultUrlExpired):
            client.bulk_result(client.bulk_operation(operation_id)["url"])

        shopify.bulk.url_seconds = 60

        assert len(list(client.bulk_result(client.bulk_operation(operation_id)["url"]))) == 3


def test_a_forged_url_of_the_sandbox_is_refused():
    with sandbox_with_customers(3) as (_, client):
        url = client.bulk_operation(_ended(client))["url"]

        with pytest.raises(ResultUrlExpired):
            client.bulk_result(url[:-1] + ("0" if url[-1] != "0" else "1"))


def test_a_download_that_the_sandbox_cuts_is_resumed():
    with sandbox_with_customers(300) as (shopify, client):
        url = client.bulk_operation(_ended(client))["url"]
        shopify.bulk.cuts = [10_000, 50_000]

        assert len(list(client.bulk_result(url))) == 300
        assert shopify.bulk.cuts == []
