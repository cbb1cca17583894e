"""SSRF guard: no address from outside leads to a connection that is not public, counted at a listening socket."""

from __future__ import annotations

import gzip
import ipaddress
import itertools
import resource
import socket
import threading
import zlib
from contextlib import contextmanager

import pytest
import urllib3.util.connection

from clients import ApiError, Call, Effect, NotSent, NullJournal, Rejected, Unanswered
from clients.http import ssrf_guard
from clients.http.transport import send
from clients.shopify.bulk_result import BulkResult
from tests.support.tasks.outcomes import raises_saying

API_URL = "https://demo.myshopify.com/admin"
METADATA = "169.254.169.254"
TRUSTED = "127.0.0.1"  # the sandbox's host: named by the operator, and so trusted


class Listening:
    """A socket of this machine, on IPv4 and IPv6, that counts connections and sends each the given answer."""

    def __init__(self, answer: bytes = b"") -> None:
        self.answer, self.connections = answer, 0
        self.socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                if self.answer:
                    connection.recv(65536)
                    connection.sendall(self.answer)


@contextmanager
def listening(answer=b""):
    listener = Listening(answer)
    try:
        yield listener
    finally:
        listener.socket.shutdown(socket.SHUT_RDWR)
        listener.socket.close()


@pytest.fixture
def listener():
    with listening() as found:
        yield found


def spellings(address):
    """Spellings that one URL parser or another takes for this IPv4 address."""
    number, parts = int(ipaddress.IPv4Address(address)), [int(part) for part in address.split(".")]
    return [
        address,
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(map(hex, parts)),
        ".".join(f"0{part:o}" for part in parts),
        ".".join(f"{part:03o}" for part in parts),
        f"{parts[0]}.{(parts[1] << 16) + (parts[2] << 8) + parts[3]}",
        f"{parts[0]}.{parts[1]}.{(parts[2] << 8) + parts[3]}",
        f"0x{parts[0]:02x}.{number & 0xFFFFFF}",
        f"[::ffff:{address}]",
        f"[::{address}]",
        f"[64:ff9b::{address}]",
        f"[2002:{parts[0]:02x}{parts[1]:02x}:{parts[2]:02x}{parts[3]:02x}::1]",
        f"{address}.",
    ]


def private():
    """Hosts that stand for this machine, its neighbours, or the metadata of a cloud."""
    names = [*spellings("127.0.0.2"), *spellings(METADATA), *spellings("10.0.0.1"), *spellings("0.0.0.0")]
    names += [*spellings("100.64.0.1"), *spellings("224.0.0.1"), *spellings("255.255.255.255")]
    names += ["localhost", "LOCALHOST", "localhost.", "127.1", "0", "0x7f.1", "127.0.1", "017700000001", "[::]"]
    return [*names, "[::1]", "[fe80::1]", "[fc00::1]", "[ff02::1]", "[2001:db8::1]", "[0:0:0:0:0:0:0:1]"]


def disguised(port):
    """URLs that look like ones of Shopify's storage."""
    storage, homes = "storage.googleapis.com", [f"{TRUSTED}:{port}", f"localhost:{port}", f"[::1]:{port}", METADATA]
    for home, scheme in itertools.product(homes, ("https", "http")):
        yield from (
            f"{scheme}://{home}/",
            f"{scheme}://{home}/{storage}/x",
            f"{scheme}://{home}#{storage}/",
            f"{scheme}://{home}?{storage}/",
            f"{scheme}://{home}\\.{storage}/x",
            f"{scheme}://{home}\\@{storage}/x",
            f"{scheme}://{storage}@{home}/x",
            f"{scheme}://{storage}:443@{home}/x",
            f"{scheme}://{storage}%40{home}/x",
            f"{scheme}://{storage}#@{home}/x",
            f"{scheme}://{home}%23.{storage}/x",
            f"{scheme}://{home}%00.{storage}/x",
            f"{scheme}://{home}\t.{storage}/x",
            f"{scheme}://{home}\r\n.{storage}/x",
            f"{scheme}://{home} .{storage}/x",
            f"{scheme}://{home}/\\{storage}",
            f" {scheme}://{home}/",
            f"\x00{scheme}://{home}/",
        )
    for name in (
        "ⓢtorage.googleapis.com",
        "storage.googleapis。com",
        "storage.googleapis.com.",
        "xn--storage.googleapis.com.evil.example",
        "storage-googleapis.com",
        "storage.googleapis.com.evil.example",
        "evilshopify.com",
        "demo.myshopify.com.evil.example",
        "demo.myshopify.com@evil.example",
        "demo.myshopify.com\\.evil.example",
        "storage.googleapis.com:80",
        "storage.googleapis.com:22",
        "-",
        "",
        "[",
        "[::1",
        "a" * 70 + "\\.shopify.com",
    ):
        yield f"https://{name}/x"
    for scheme in ("ftp", "file", "gopher", "dict", "data", "javascript", "jar:https", "HTTP", "//", ""):
        yield f"{scheme}://storage.googleapis.com/x"


def test_over_two_hundred_addresses_are_tried():
    assert len(set(private())) + len(set(disguised(1))) > 200


def test_no_disguised_address_of_a_bulk_result_is_connected_to(listener):
    for url in disguised(listener.port):
        with raises_saying(Rejected, match="not fetched"):
            BulkResult(url, api_url=API_URL)

    assert listener.connections == 0


@pytest.mark.parametrize("host", private())
def test_no_private_address_is_connected_to_however_it_is_spelt(listener, host):
    call = Call("Engage", "GET", f"http://{host}:{listener.port}/", Effect.READ)

    with pytest.raises(ApiError) as caught:
        send(call, {}, NullJournal())

    assert type(caught.value) in (NotSent, Rejected)
    assert listener.connections == 0


def test_the_listening_socket_counts_a_connection():
    with listening(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as listener:
        send(Call("Engage", "GET", f"http://{TRUSTED}:{listener.port}/", Effect.READ), {}, NullJournal())

        assert listener.connections == 1


class Resolver:
    """A name resolution that has another answer each time (DNS rebinding)."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.lookups = list(answers), 0

    def __call__(self, host, port, *args, **kwargs):
        self.lookups += 1
        found = self.answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


def resolved(monkeypatch, *answers):
    names = Resolver(*answers)
    monkeypatch.setattr(socket, "getaddrinfo", names)
    return names


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["10.1.2.3"], [METADATA]])
def test_a_public_name_with_a_private_address_is_not_connected_to(listener, monkeypatch, answer):
    resolved(monkeypatch, answer)

    with raises_saying(NotSent, match="not public"):
        BulkResult("https://storage.googleapis.com/x", api_url=API_URL)

    assert listener.connections == 0


def test_the_connection_goes_to_the_very_address_that_was_checked(monkeypatch):
    """A name is public when it is checked and private a moment later: only the first answer is used (DNS rebinding)."""
    resolver, connected = resolved(monkeypatch, ["93.184.215.14"], ["127.0.0.1"]), []

    def connect(address, *args, **kwargs):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(urllib3.util.connection, "create_connection", connect)
    with pytest.raises(ApiError):
        BulkResult("https://storage.googleapis.com/x", api_url=API_URL)

    assert (connected, resolver.lookups) == ([("93.184.215.14", 443)], 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(listener, status):
    answer = f"HTTP/1.1 {status} x\r\nLocation: http://localhost:{listener.port}/\r\nContent-Length: 0\r\n\r\n"
    with listening(answer.encode()) as storage:
        url = f"http://{TRUSTED}:{storage.port}/file"

        with pytest.raises(ApiError):
            BulkResult(url, api_url=url)

        assert (storage.connections, listener.connections) == (1, 0)


def test_no_redirect_within_the_storage_is_followed():
    with listening(b"HTTP/1.1 302 x\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n") as storage:
        url = f"http://{TRUSTED}:{storage.port}/file"

        with pytest.raises(ApiError):
            BulkResult(url, api_url=url)

        assert storage.connections == 1


@pytest.mark.parametrize(
    "name", ["evil.example/x.myshopify.com", "demo.myshopify.com\n", "demo.myshopify.com.evil.example", ""]
)
def test_an_invalid_shop_domain_is_rejected(name):
    with pytest.raises(Rejected):
        ssrf_guard.valid_shop_domain(name)


@pytest.mark.parametrize(
    "name", ["evil.example/", "demo@evil.example", "demo#", "demo\n", "a.b", "127.0.0.1:80/", "dëmo", ""]
)
def test_an_invalid_tenant_name_is_rejected(name):
    with pytest.raises(Rejected):
        ssrf_guard.valid_tenant_name(name)


def test_private_addresses_are_recognised_without_a_connection():
    """A machine behind a NAT64 or 6to4 gateway could connect to those that are embedded in an IPv6 address."""
    addresses = ["127.0.0.1", "10.0.0.1", METADATA, "100.64.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0"]
    addresses += ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2001:0:7f00:1::"]
    addresses += ["::ffff:127.0.0.1", "::127.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1"]

    assert [address for address in addresses if ssrf_guard.is_public(address)] == []


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_recognised(address):
    assert ssrf_guard.is_public(address)


@pytest.mark.parametrize(
    "host", ["storage.googleapis.com", "a.storage.googleapis.com", "cdn.shopify.com", "x.shopifycloud.com"]
)
def test_shopifys_storage_is_recognised(host):
    assert ssrf_guard.is_shopify_storage(f"https://{host}/a/b.jsonl?Expires=1&Signature=a%2Bb~c")


def bomb() -> bytes:
    """A gigabyte of zeros, compressed to a megabyte."""
    packer, portion = zlib.compressobj(9, zlib.DEFLATED, 31), bytes(1 << 20)
    return b"".join([packer.compress(portion) for _ in range(1024)]) + packer.flush()


def test_a_response_that_decompresses_to_a_gigabyte_is_abandoned():
    packed = bomb()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with listening(head.encode() + packed) as engage, raises_saying(Unanswered, match="more than 8 MB"):
        send(Call("Engage", "GET", f"http://{TRUSTED}:{engage.port}/", Effect.READ), {}, NullJournal())

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # in KB


def test_a_bulk_result_is_never_decompressed():
    packed = gzip.compress(b'{"id":1}\n' * 1000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    with listening(head.encode() + packed) as storage:
        url = f"http://{TRUSTED}:{storage.port}/file"

        with BulkResult(url, api_url=url) as lines:
            assert b"".join(line for line, _ in lines)[:2] == b"\x1f\x8b"
