"""Attempts of a task with their HTTP exchanges and decrypted bodies, for the page, and as exact bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson

from clients import Effect
from config import config
from encryption import Unreadable
from i18n.catalogue import t
from models import Attempt, Body, Exchange, Shop, State, Task
from redaction.bodies import masked_json, plain_json
from redaction.text import masked_url
from views.web import query_params
from views.web.errors import BadInput, PageNotFound

MAX_SHOWN = 64 * 1024  # characters of one body on the page
MAX_ATTEMPTS = 50  # the newest: an order may wait for its contact some thousand times
MAX_EXCHANGES = 200
MAX_BODIES = 10  # of the newest exchanges; the page links to the others
MAX_DEPTH = 40  # levels that are indented; deeper ones would be mostly spaces
PARTS = ("sent", "received")


class TooDeep(Exception):
    """JSON with more levels than are indented."""


@dataclass(frozen=True)
class BodyFormat:
    """How bodies are shown: `raw` or indented; `revealed`, with personal data, or masked."""

    raw: bool = False
    revealed: bool = False

    def format_body(self, content: bytes) -> str | None:
        """A body as text, up to a little more than what is shown; JSON is indented, and no token is changed otherwise.

        None for what is no JSON and must be masked: nobody knows what in it is personal.
        """
        if not content:
            return ""
        if not _is_json(content):
            return _up_to_limit([content.decode("utf-8", "replace")]) if self.revealed else None
        text = content.decode()
        raw = (part for token in self._tokens(text) for part in token)
        if self.raw:
            return _up_to_limit(raw)
        try:
            return _up_to_limit(_indented(token for _, token in self._tokens(text)))
        except TooDeep:
            return _up_to_limit(raw)

    def _tokens(self, text: str) -> Iterator[tuple[str, str]]:
        return plain_json(text) if self.revealed else masked_json(text)

    def format_url(self, url: str) -> str:
        """A URL with its query string, in clear or masked."""
        return url if self.revealed else masked_url(url)


@dataclass(frozen=True)
class ShownBody:
    """A body on the page: loaded or only linked, whole or truncated. `hidden`: it cannot be masked."""

    label: str
    url: str
    text: str = ""
    size: int = 0
    truncated: bool = False
    loaded: bool = True
    unreadable: bool = False
    hidden: bool = False

    @classmethod
    def of(cls, label: str, url: str, content: bytes, body_format: BodyFormat) -> ShownBody:
        text = body_format.format_body(content)
        if text is None:
            return cls(label, url, size=len(content), hidden=True)
        return cls(label, url, text[:MAX_SHOWN], len(content), truncated=len(text) > MAX_SHOWN)


@dataclass(frozen=True)
class ShownExchange:
    """An exchange of an attempt: one HTTP request and its response."""

    exchange: Exchange
    url: str | None
    bodies: list[ShownBody]


@dataclass(frozen=True)
class ShownAttempt:
    """An attempt with its exchanges."""

    attempt: Attempt
    exchanges: list[ShownExchange]


def bodies_expired(task: Task, now: datetime) -> bool:
    """Whether the retention period is over for the bodies that the task sent and received."""
    return task.state != State.PENDING and now - task.created_at > timedelta(days=config.retain_body_days)


def attempts_of(task: Task, body_format: BodyFormat) -> list[ShownAttempt]:
    """The task's newest attempts in order with their exchanges, in three queries however many there are."""
    attempts = Attempt.select().where(Attempt.task == task)
    newest = list(attempts.order_by(Attempt.number.desc()).limit(MAX_ATTEMPTS))
    exchanges = _exchanges(task, body_format)
    return [
        ShownAttempt(one, [each for each in exchanges if each.exchange.attempt == one.number])
        for one in reversed(newest)
    ]


def webhook_body(task: Task, body_format: BodyFormat) -> ShownBody | None:
    """The webhook's body, or None for a task that no webhook created."""
    row = Body.get_or_none((Body.task_id == task.id) & (Body.shop_id == task.shop_id))
    if row is None:
        return None
    url = f"/tasks/{task.id}/sent"
    try:
        return ShownBody.of(t("body.webhook"), url, row.open(task.shop), body_format)
    except Unreadable:
        return ShownBody(t("body.webhook"), url, unreadable=True)


def exact_body(task: Task, exchange: str | None, part: str) -> bytes:
    """The exact bytes: of one part of an exchange, else the webhook's body, else the last request that was not a read.

    Raises BadInput, PageNotFound.
    """
    if part not in PARTS:
        raise BadInput(t("bad.part", given=repr(part[:40])))
    try:
        if exchange is None and part == "sent":
            return _webhook_or_last_request(task)
        return _exchange_part(task, _exchange_id(exchange or ""), part)
    except Unreadable as error:
        raise PageNotFound(t("refusal.unreadable")) from error


def _exchanges(task: Task, body_format: BodyFormat) -> list[ShownExchange]:
    of_task = (Exchange.task == task) & (Exchange.shop_id == task.shop_id)
    light = [field for field in Exchange._meta.sorted_fields if field.name not in ("url", "sent", "received")]
    newest = list(Exchange.select(*light).where(of_task).order_by(Exchange.id.desc()).limit(MAX_EXCHANGES))
    heavy = Exchange.select().where(Exchange.id.in_([row.id for row in newest[:MAX_BODIES]]))
    loaded = {row.id: row for row in heavy}
    return [_exchange(task, row, loaded.get(row.id), body_format) for row in reversed(newest)]


def _exchange(task: Task, row: Exchange, loaded: Exchange | None, body_format: BodyFormat) -> ShownExchange:
    url = _url(task.shop, loaded)
    return ShownExchange(
        row, url and body_format.format_url(url), [_body_part(task, row, loaded, name, body_format) for name in PARTS]
    )


def _body_part(task: Task, row: Exchange, loaded: Exchange | None, name: str, body_format: BodyFormat) -> ShownBody:
    label, url = t(f"part.{name}"), f"/tasks/{task.id}/sent?exchange={row.id}&part={name}"
    if loaded is None:
        return ShownBody(label, url, loaded=False)
    try:
        return ShownBody.of(label, url, loaded.open(task.shop, name), body_format)
    except Unreadable:
        return ShownBody(label, url, unreadable=True)


def _url(shop: Shop, loaded: Exchange | None) -> str | None:
    """The full URL with its query string, where it is loaded and readable."""
    try:
        return loaded.open(shop, "url").decode("utf-8", "replace") if loaded else None
    except Unreadable:
        return None


def _webhook_or_last_request(task: Task) -> bytes:
    if row := Body.get_or_none((Body.task_id == task.id) & (Body.shop_id == task.shop_id)):
        return bytes(row.open(task.shop))
    changing = (Exchange.task == task) & (Exchange.shop_id == task.shop_id) & (Exchange.effect != Effect.READ)
    last = Exchange.select().where(changing).order_by(Exchange.id.desc()).first()
    if last is None:
        raise PageNotFound(t("refusal.no_sent"))
    return last.open(task.shop, "sent")


def _exchange_part(task: Task, exchange_id: UUID, part: str) -> bytes:
    wanted = (Exchange.id == exchange_id) & (Exchange.task == task) & (Exchange.shop_id == task.shop_id)
    row = Exchange.get_or_none(wanted)
    if row is None or getattr(row, part) is None:
        raise PageNotFound(t("refusal.no_part"))
    return row.open(task.shop, part)


def _exchange_id(text: str) -> UUID:
    found = query_params.parse_uuid(text)
    if found is None:
        raise BadInput(t("bad.exchange", given=repr(text[:40])))
    return found


def _is_json(content: bytes) -> bool:
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True


def _up_to_limit(parts: Iterable[str]) -> str:
    """What of the parts is shown, and some characters more, by which the rest is known to be cut off."""
    taken, length = [], 0
    for part in parts:
        taken.append(part[: MAX_SHOWN + 1])
        length += len(part)
        if length > MAX_SHOWN:
            break
    return "".join(taken)


def _indented(tokens: Iterable[str]) -> Iterator[str]:
    """Raises TooDeep."""
    depth, previous = 0, ""
    for symbol in tokens:
        closing = symbol in ("}", "]")
        depth -= closing
        if depth > MAX_DEPTH:
            raise TooDeep
        if (closing and previous not in ("{", "[")) or (not closing and previous in ("{", "[", ",")):
            yield "\n" + "  " * depth
        yield ": " if symbol == ":" else symbol
        depth += symbol in ("{", "[")
        previous = symbol
