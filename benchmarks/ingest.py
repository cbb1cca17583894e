"""Measure the webhook endpoint: stored and answered, against verified and answered only."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.support import cpu, shops
from benchmarks.support.figures import Figures, ResultTable
from benchmarks.support.load_generator import Load, LoadGenerator, LoadResult, load_generator
from benchmarks.support.servers import ServerPids, WebProcess, web
from benchmarks.support.size import BenchmarkSize
from database import EVERY, connected
from models import Body, Task
from taskqueue.broker import broker

DESCRIPTION = """\
`POST /webhooks/shopify` with signed orders of about {size:.1f} kB, each with a webhook id of its own, over
{connections} keep-alive connections from a process of its own; one uvicorn worker, started as the Procfile does.
*Stored* is the whole endpoint: verified, encrypted, committed to disk, answered, published. *Only verified* is the same
stack and the same check with an answer at once. The load generator and PostgreSQL share the cores with the web process.
Latency is taken at a steady half of the round's own stored rate, and counts from when a request was due."""


@dataclass(frozen=True)
class IngestRound:
    """One round. `web` and `postgres` are the seconds of processor time for the stored webhooks."""

    stored: LoadResult
    verified: LoadResult
    paced: LoadResult
    web: float
    postgres: float


def measure(size: BenchmarkSize, servers: ServerPids) -> ResultTable:
    with connected(EVERY):
        requests = shops.webhooks(shops.connect("ingest").domain)
    with load_generator() as sender, web("app:app") as whole, web("benchmarks.support.verify_only:app") as bare:
        load = Load(whole.port, requests, size.seconds, connections=size.connections)
        _warm(sender, load, whole, bare)
        taken = [_round(sender, load, whole, bare, servers) for _ in range(size.rounds)]
    _check(sum(len(sent.waits) for each in taken for sent in (each.stored, each.paced)))
    about = DESCRIPTION.format(
        size=sum(len(request.body) for request in requests) / len(requests) / 1000, connections=size.connections
    )
    return ResultTable("Webhook ingest", about, ("what", "median (lowest - highest)", "budget"), _rows(taken))


def _warm(sender: LoadGenerator, load: Load, *webs: WebProcess) -> None:
    for each in webs:
        sender.send(load.changed(port=each.port, seconds=0.3))
    with connected(EVERY):
        Task.delete().execute()


def _round(sender: LoadGenerator, load: Load, whole: WebProcess, bare: WebProcess, servers: ServerPids) -> IngestRound:
    broker.flush_all()
    before = cpu.seconds(whole.pid), cpu.seconds(servers.postgres)
    stored = sender.send(load)
    used = cpu.seconds(whole.pid) - before[0], cpu.seconds(servers.postgres) - before[1]
    verified = sender.send(load.changed(port=bare.port))
    return IngestRound(stored, verified, sender.send(load.changed(rate=stored.rate / 2)), *used)


def _check(answered: int) -> None:
    """Check that each 200 stands for a row and a body, or the figures are of something else. Empties the table."""
    with connected(EVERY):
        kept = Task.select().count(), Body.select().count()
        Task.delete().execute()
    if kept != (answered, answered):
        raise RuntimeError(f"{answered} webhooks were answered, but {kept} rows and bodies are there.")


def _rows(taken: list[IngestRound]) -> tuple[tuple[object, ...], ...]:
    stored = Figures.of((each.stored.rate for each in taken), " /s")
    verified = Figures.of((each.verified.rate for each in taken), " /s")
    median, slow = (Figures.of((each.paced.within_ms(share) for each in taken), " ms") for share in (0.5, 0.99))
    count = [len(each.stored.waits) for each in taken]
    in_web = Figures.of((1e6 * each.web / n for each, n in zip(taken, count, strict=True)), " us")
    in_postgres = Figures.of((1e6 * each.postgres / n for each, n in zip(taken, count, strict=True)), " us")
    return (
        ("stored and answered", stored, ""),
        ("only verified and answered", verified, ""),
        ("stored, of only verified", stored.per(verified), "at least 35 %"),
        ("latency at half of the rate, median", median, ""),
        ("latency at half of the rate, p99", slow, "under 100 ms"),
        ("processor time per webhook, web process", in_web, ""),
        ("processor time per webhook, PostgreSQL", in_postgres, ""),
    )
