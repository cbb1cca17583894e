"""Evaluation of the alert rules: open and close incidents, and put their mails into the outbox."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts import error_rate, rhythm, silence
from alerts.facts import Kinds, finished, last_order, orders, stalled_since
from alerts.settings import AlertSettings
from alerts.telling import closed, noticed, opened
from alerts.window import Interval
from database import db
from models import Shop, utcnow
from models.heartbeat import Heartbeat
from models.incidents import Incident, Rule, Standing, Watch

EVERY, POSTPONED = timedelta(seconds=60), timedelta(hours=1)
ASKED_LATELY = timedelta(minutes=10)  # between two questions to Shopify about a shop without orders
AT_ONCE = 500  # rules in one run
LEARN, LEARNT_FROM = (
    timedelta(days=1),
    100_000,
)  # the baseline's age before it is renewed, and the orders it is based on
READ = 2_000  # tasks of each type and state
BEAT = "watch"  # the scheduler's job that calls this
OVERSLEPT = timedelta(minutes=5)
UNSEEN = (Standing.OFF, Standing.UNKNOWN)

log = logging.getLogger("alerts")

Ask = Callable[[Shop, datetime, datetime], int | None]


@dataclass(frozen=True)
class Found:
    """The result of an evaluation: the rule's state, and what is stored with the rule and the incident."""

    standing: Standing
    evidence: dict[str, Any]
    bad_since: datetime | None = None
    good_since: datetime | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = "recovered"


def check(kinds: Kinds, ask: Ask, now: datetime | None = None) -> int:
    """Evaluate the rules that are due, each independently. Returns their number."""
    if Heartbeat.ages().get(BEAT, timedelta()) > OVERSLEPT:
        Watch.forgive(utcnow())
    stalled = stalled_since()
    _evaluate_stall(stalled, now or utcnow())
    Watch.begin()
    taken = Watch.take(AT_ONCE, EVERY)
    for shop_id, rule in taken:
        _evaluate(shop_id, rule, kinds, ask, stalled, now or utcnow())
    return len(taken)


def _evaluate_stall(since: datetime | None, now: datetime) -> None:
    """The app's own incident: open while due work is not claimed."""
    incident = Incident.of(None, Rule.STALLED)
    with db.atomic():
        if since and incident is None and (new := Incident.start(None, Rule.STALLED, bad_since=since, opened_at=now)):
            noticed(new, now)
        if since is None and incident and incident.close(now, "recovered"):
            incident.closed_at, incident.closed_by = now, "recovered"
            closed(None, incident, now)


def _evaluate(shop_id: int, rule: str, kinds: Kinds, ask: Ask, stalled: datetime | None, now: datetime) -> None:
    """A rule that fails, as with an invalid setting, is postponed by an hour, and does not stop others."""
    try:
        shop = Shop.get_by_id(shop_id)
        watch = Watch.get(Watch.shop == shop, Watch.rule == rule)
        found = judged(shop, watch, kinds, ask, now, stalled)
        with db.atomic():
            turn(shop, watch, found, now)
    except Exception as error:
        log.exception("The rule %s of shop %s could not be evaluated.", rule, shop_id)
        Watch.postpone(shop_id, rule, POSTPONED, type(error).__name__)


def judged(shop: Shop, watch: Watch, kinds: Kinds, ask: Ask, now: datetime, stalled: datetime | None = None) -> Found:
    """Evaluate one rule at an instant, without writing. `stalled`: since when the app itself is stalled."""
    if watch.rule == Rule.SILENCE:
        return _silence(shop, watch, kinds, ask, now, stalled)
    if watch.rule == Rule.RHYTHM:
        return _rhythm(shop, watch, kinds, now, stalled)
    return _errors(shop, watch, kinds, now)


def _silence(shop: Shop, watch: Watch, kinds: Kinds, ask: Ask, now: datetime, stalled: datetime | None) -> Found:
    chosen, is_open = AlertSettings.of(shop), Incident.of(shop, Rule.SILENCE) is not None
    settings = chosen.silence(shop)
    counts_from = _counts_from(shop, watch, now, known=is_open or stalled is not None)
    last = last_order(shop, kinds, now)
    asked = _instant(watch.evidence.get("asked_at"))
    elsewhere = last is None and is_open
    if last is None and not is_open and _worth_asking(shop, settings, counts_from, asked, now):
        asked, elsewhere = now, bool(ask(shop, counts_from, now))
    facts = silence.Facts(last, counts_from, elsewhere, stalled, shop.active)
    verdict = silence.judge(settings, facts, now, is_open=is_open)
    evidence = {
        "since": _iso(verdict.since),
        "fires_at": _iso(verdict.fires_at),
        "elapsed": round(verdict.elapsed.total_seconds()),
        "period": chosen.silence_period,
        "window": list(chosen.window) if chosen.window else None,
        "first": last is None,
        "asked_at": _iso(asked),
    }
    return _silent(verdict, evidence, watch, last, now)


def _silent(
    verdict: silence.Verdict, evidence: dict[str, Any], watch: Watch, last: datetime | None, now: datetime
) -> Found:
    """Silence recovers with the next order; if it ends without one, changed settings ended it."""
    recovered = bool(last and watch.bad_since and last > watch.bad_since)
    return Found(
        verdict.standing,
        evidence,
        bad_since=verdict.since,
        opened_at=verdict.fires_at,
        closed_at=last if recovered else now,
        closed_by="recovered" if recovered else "settings",
    )


def _rhythm(shop: Shop, watch: Watch, kinds: Kinds, now: datetime, stalled: datetime | None) -> Found:
    if not AlertSettings.of(shop).smart or not shop.active:
        return Found(Standing.OFF, {}, closed_at=now, closed_by="settings")
    is_open = Incident.of(shop, Rule.RHYTHM) is not None
    baseline, stored = _baseline(shop, watch, kinds, now, is_open=is_open)
    last = last_order(shop, kinds, now)
    counts_from = _counts_from(shop, watch, now, known=is_open or stalled is not None)
    verdict = rhythm.judge(baseline, silence.Facts(last, counts_from, stalled_since=stalled), now)
    missing = baseline.expected(verdict.since, now) if baseline and verdict.since else 0.0
    evidence = {
        "since": _iso(verdict.since),
        "fires_at": _iso(verdict.fires_at),
        "elapsed": round(verdict.elapsed.total_seconds()),
        "expected": round(missing, 1),
        "limit": round(baseline.limit, 1) if baseline else None,
        "rhythm": stored,
    }
    return _silent(verdict, evidence, watch, last, now)


def _baseline(
    shop: Shop, watch: Watch, kinds: Kinds, now: datetime, *, is_open: bool
) -> tuple[rhythm.Rhythm | None, dict[str, Any]]:
    """The shop's baseline and its stored form. It is renewed once a day, but not while its own alert is open."""
    stored: dict[str, Any] = watch.evidence.get("rhythm") or {}
    if stored and (is_open or now - datetime.fromisoformat(stored["at"]) < LEARN):
        rates = stored.get("rates")
        return (rhythm.Rhythm(shop.zone, tuple(rates), stored["limit"]) if rates else None), stored
    begin = now - rhythm.HISTORY - LEARN
    known = [Interval(*each) for each in Incident.times(shop, begin, now)]
    found = rhythm.Rhythm.of(orders(shop, kinds, begin, now, LEARNT_FROM), shop.zone, now, known)
    rates = [round(rate, 6) for rate in found.rates] if found else None
    return found, {"at": _iso(now), "rates": rates, "limit": found.limit if found else None}


def _counts_from(shop: Shop, watch: Watch, now: datetime, *, known: bool) -> datetime:
    """The start of the time that may count as silence: time in which the rule was not evaluated does not."""
    if watch.state in UNSEEN and not known:
        return now
    return max(watch.counts_from or shop.connected_at, shop.connected_at)


def _worth_asking(
    shop: Shop, settings: silence.Settings, since: datetime, asked: datetime | None, now: datetime
) -> bool:
    """Whether to ask Shopify for orders of a shop that has never sent one: once the silence is too long."""
    if settings.period is None or not shop.active or (asked and now - asked < ASKED_LATELY):
        return False
    return silence.fires(settings, since) <= now


def _errors(shop: Shop, watch: Watch, kinds: Kinds, now: datetime) -> Found:
    settings = AlertSettings.of(shop).errors()
    if not shop.active or not settings.on:
        return Found(Standing.OFF, {}, closed_at=now, closed_by="settings")
    tasks = finished(shop, kinds, now - error_rate.LONGEST, now, READ)
    found = error_rate.tallies(tasks, now, guarded=settings.guarded)
    verdict = error_rate.judge(settings, found, _memory(watch), now)
    evidence = {
        "threshold": settings.threshold,
        "tallies": [asdict(each) for each in found],
        "worst": asdict(verdict.worst) if verdict.worst else None,
        "held_back": any(each.held_back(settings) for each in found),
        "thin_since": _iso(verdict.memory.thin_since),
    }
    return Found(
        verdict.standing,
        evidence,
        bad_since=verdict.memory.bad_since,
        good_since=verdict.memory.good_since,
        opened_at=verdict.memory.opened_at,
        closed_at=now,
        closed_by="expired" if verdict.expired else "recovered",
    )


def _memory(watch: Watch) -> error_rate.Memory:
    is_open = watch.state in (Standing.FIRING, Standing.RECOVERING)
    return error_rate.Memory(
        watch.bad_since,
        watch.good_since,
        watch.since if is_open else None,
        _instant(watch.evidence.get("thin_since")),
    )


def turn(shop: Shop, watch: Watch, found: Found, now: datetime) -> None:
    """Store the evaluation in the caller's transaction, and open or close the incident if the state changed."""
    before, after = Standing(watch.state), found.standing
    changes: dict[str, Any] = {
        "state": after,
        "evidence": found.evidence,
        "failure": None,
        "bad_since": found.bad_since,
        "good_since": found.good_since,
    }
    if before != after:
        changes["since"] = now
    if before in UNSEEN and after in (Standing.OK, Standing.WAITING):
        changes["counts_from"] = now
    if not watch.move(**changes):
        return
    incident = Incident.of(shop, watch.rule)
    if after == Standing.FIRING and incident is None:
        _open(shop, watch.rule, found, now)
    if incident and after in (Standing.OK, Standing.WAITING, Standing.PENDING, Standing.OFF):
        _close(shop, incident, found, now)


def _open(shop: Shop, rule: str, found: Found, now: datetime) -> None:
    bad_since = found.bad_since or now
    at = max(found.opened_at or now, bad_since)
    incident = Incident.start(shop, rule, bad_since=bad_since, opened_at=min(at, now), evidence=found.evidence)
    if incident:
        opened(shop, incident, now)


def _close(shop: Shop, incident: Incident, found: Found, now: datetime) -> None:
    by = "off" if found.standing == Standing.OFF else found.closed_by
    at = max(found.closed_at or now, incident.opened_at)
    if incident.close(at, by):
        incident.closed_at, incident.closed_by = at, by
        closed(shop, incident, now)


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
