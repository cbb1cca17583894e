"""What a task sent and received, in clear: for the page, and to the byte."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson

from clients import Effect
from config import config
from models import Attempt, Body, Exchange, Shop, State, Task
from redaction import JSON_TOKEN, masked_body, masked_url
from vault import Unreadable
from views import BadInput, Missing, parameters
from words import t

SHOWN = 64 * 1024  # characters of one body on the page
ATTEMPTS_SHOWN = 50  # the newest: a sale may wait for its contact some thousand times
CALLS_SHOWN = 200
BODIES_SHOWN = 10  # of the newest calls; the others are a click away
DEEPEST = 40  # levels that are indented; deeper ones would be mostly spaces
PARTS = ("sent", "received")


@dataclass(frozen=True)
class Look:
    """How bodies are shown: `raw`, as they are, or indented; `revealed`, with what they tell of people, or without."""

    raw: bool = False
    revealed: bool = False

    def at(self, content: bytes) -> str:
        """A body as text. JSON is indented without touching any of its tokens: 1.10 stays 1.10."""
        shown, is_json = content.decode("utf-8", "replace"), _is_json(content)
        shown = shown if self.revealed else masked_body(shown, is_json=is_json)
        try:
            return _indented(shown) if is_json and not self.raw else shown
        except TooDeep:
            return shown

    def at_url(self, url: str) -> str:
        return url if self.revealed else masked_url(url)


def _is_json(content: bytes) -> bool:
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True


@dataclass(frozen=True)
class Evidence:
    """A body as the page shows it: loaded or only linked, whole or cut."""

    label: str
    url: str
    shown: str = ""
    size: int = 0
    cut: bool = False
    loaded: bool = True
    unreadable: bool = False

    @classmethod
    def of(cls, label: str, url: str, content: bytes, look: Look) -> Evidence:
        shown = look.at(content)
        return cls(label, url, shown[:SHOWN], len(content), cut=len(shown) > SHOWN)


@dataclass(frozen=True)
class Call:
    """One call of an attempt."""

    exchange: Exchange
    url: str | None
    parts: list[Evidence]


@dataclass(frozen=True)
class Run:
    """One attempt with its calls."""

    attempt: Attempt
    calls: list[Call]


class TooDeep(Exception):
    """JSON of more levels than are worth indenting."""


def _indented(text: str) -> str:
    parts: list[str] = []
    depth, previous = 0, ""
    for mark in JSON_TOKEN.findall(text):
        closing = mark in ("}", "]")
        depth -= closing
        if depth > DEEPEST:
            raise TooDeep
        if (closing and previous not in ("{", "[")) or (not closing and previous in ("{", "[", ",")):
            parts.append("\n" + "  " * depth)
        parts.append(": " if mark == ":" else mark)
        depth += mark in ("{", "[")
        previous = mark
    return "".join(parts)


def is_gone(task: Task, now: datetime) -> bool:
    """Whether the task is so old that what it sent and received is not kept any more."""
    return task.state != State.PENDING and now - task.created_at > timedelta(days=config.retain_body_days)


def runs_of(task: Task, look: Look) -> list[Run]:
    """The task's newest attempts in order, in three queries however many there are."""
    mine = Attempt.select().where(Attempt.task == task)
    newest = list(mine.order_by(Attempt.number.desc()).limit(ATTEMPTS_SHOWN))
    calls = _calls(task, look)
    return [Run(one, [call for call in calls if call.exchange.attempt == one.number]) for one in reversed(newest)]


def _calls(task: Task, look: Look) -> list[Call]:
    mine = (Exchange.task == task) & (Exchange.shop_id == task.shop_id)
    light = [field for field in Exchange._meta.sorted_fields if field.name not in ("url", "sent", "received")]
    newest = list(Exchange.select(*light).where(mine).order_by(Exchange.id.desc()).limit(CALLS_SHOWN))
    heavy = Exchange.select().where(Exchange.id.in_([row.id for row in newest[:BODIES_SHOWN]]))
    loaded = {row.id: row for row in heavy}
    return [_call(task, row, loaded.get(row.id), look) for row in reversed(newest)]


def _call(task: Task, row: Exchange, loaded: Exchange | None, look: Look) -> Call:
    url = _url(task.shop, loaded)
    return Call(row, url and look.at_url(url), [_part(task, row, loaded, name, look) for name in PARTS])


def _part(task: Task, row: Exchange, loaded: Exchange | None, name: str, look: Look) -> Evidence:
    label, url = t(f"part.{name}"), f"/tasks/{task.id}/sent?exchange={row.id}&part={name}"
    if loaded is None:
        return Evidence(label, url, loaded=False)
    try:
        return Evidence.of(label, url, loaded.clear(task.shop, name), look)
    except Unreadable:
        return Evidence(label, url, unreadable=True)


def _url(shop: Shop, loaded: Exchange | None) -> str | None:
    """The whole address with its query, when it is known."""
    try:
        return loaded.clear(shop, "url").decode("utf-8", "replace") if loaded else None
    except Unreadable:
        return None


def body_of(task: Task, look: Look) -> Evidence | None:
    """The webhook's body, or None for a task that did not come with one."""
    row = Body.get_or_none((Body.task_id == task.id) & (Body.shop_id == task.shop_id))
    if row is None:
        return None
    url = f"/tasks/{task.id}/sent"
    try:
        return Evidence.of(t("body.webhook"), url, row.open(task.shop), look)
    except Unreadable:
        return Evidence(t("body.webhook"), url, unreadable=True)


def exact(task: Task, exchange: str | None, part: str) -> bytes:
    """The bytes themselves: of one call's part, else the webhook's body, else what was last sent to change something.

    Raises BadInput, Missing.
    """
    if part not in PARTS:
        raise BadInput(t("bad.part", given=repr(part[:40])))
    try:
        if exchange is None and part == "sent":
            return _main(task)
        return _of_call(task, _exchange_id(exchange or ""), part)
    except Unreadable as error:
        raise Missing(t("refusal.unreadable")) from error


def _main(task: Task) -> bytes:
    if row := Body.get_or_none((Body.task_id == task.id) & (Body.shop_id == task.shop_id)):
        return bytes(row.open(task.shop))
    changing = (Exchange.task == task) & (Exchange.shop_id == task.shop_id) & (Exchange.effect != Effect.READ)
    last = Exchange.select().where(changing).order_by(Exchange.id.desc()).first()
    if last is None:
        raise Missing(t("refusal.no_sent"))
    return last.clear(task.shop, "sent")


def _of_call(task: Task, exchange_id: UUID, part: str) -> bytes:
    mine = (Exchange.id == exchange_id) & (Exchange.task == task) & (Exchange.shop_id == task.shop_id)
    row = Exchange.get_or_none(mine)
    if row is None or getattr(row, part) is None:
        raise Missing(t("refusal.no_part"))
    return row.clear(task.shop, part)


def _exchange_id(text: str) -> UUID:
    found = parameters.uuid(text)
    if found is None:
        raise BadInput(t("bad.exchange", given=repr(text[:40])))
    return found
