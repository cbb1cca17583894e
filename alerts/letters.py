"""Mail bodies of alerts: subject, text and HTML. They hold no personal data, only ids, counts and times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from alerts.causes import Cause
from config import config
from models import Shop, Task, utcnow
from models.incidents import SILENT, Incident, Rule
from models.mails import Address, Kind, Mail
from words import LANGUAGES, number, speaking, t
from words.meanings import meaning_of
from words.numbers import percent
from words.times import duration, moment

WHOSE = "THE-READERS-OWN"
PAGE = Markup("<!doctype html><html><body>{}</body></html>")


@dataclass(frozen=True)
class Letter:
    """A mail body: a subject, paragraphs, links with their labels, and a footer."""

    subject: str
    paragraphs: list[str]
    links: list[tuple[str, str]] = field(default_factory=list)
    small: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        links = [f"{words}:\n{url}" for words, url in self.links]
        return "\n\n".join([*self.paragraphs, *links, "-- ", *self.small]) + "\n"

    @property
    def html(self) -> str:
        """The mail as HTML, without images or styles, so that it follows the mail program's own."""
        paragraphs = [Markup("<p>{}</p>").format(each) for each in self.paragraphs]
        links = [Markup('<p><a href="{}">{}</a></p>').format(url, words) for words, url in self.links]
        small = [Markup("<p><small>{}</small></p>").format(each) for each in self.small]
        return str(PAGE.format(Markup("\n").join([*paragraphs, *links, *small])))


def letter_of(mail: Mail, shop: Shop | None, incident: Incident | None) -> Letter:
    """The mail's body, in the shop's language; those to the operator are in English."""
    if shop is None:
        with speaking("en"):
            return _stalled(mail.kind, incident)
    with speaking(_language(shop)):
        found = LETTERS[Kind(mail.kind)](shop, incident) if incident else PLAIN[Kind(mail.kind)](shop, mail)
        return replace(found, subject=" ".join(found.subject.split()), small=_footer(shop, mail))


def unsubscribe_url(shop: Shop | None, address: str) -> str | None:
    """The unsubscribe link of an additional address; None for the shop's own, which cannot unsubscribe."""
    row = Address.find(shop, address) if shop else None
    return f"{config.app_url}/alerts/unsubscribe/{WHOSE}" if row else None


def with_token(words: str, shop: Shop, address: str) -> str:
    """The text of a mail with the recipient's own token filled in: the stored text does not have it."""
    row = Address.find(shop, address) if WHOSE in words else None
    return words.replace(WHOSE, row.clear_token) if row else words


def _language(shop: Shop) -> str:
    language = str(shop.settings.get("language", ""))
    return language if language in LANGUAGES else "en"


def _footer(shop: Shop, mail: Mail) -> list[str]:
    unsubscribe = unsubscribe_url(shop, mail.address)
    why = t("mail.small.why", shop=_name(shop), address=mail.address)
    return [why, t("mail.small.leave", url=unsubscribe) if unsubscribe else t("mail.small.own")]


def story(shop: Shop, incident: Incident) -> Letter:
    """The body of an incident's first mail, in the current language."""
    return _silence(shop, incident) if incident.rule in SILENT else _errors(shop, incident)


def _silence(shop: Shop, incident: Incident) -> Letter:
    cause = incident.cause or {"cause": str(Cause.UNKNOWN)}
    name, length = cause["cause"], duration((incident.opened_at - incident.bad_since) / timedelta(milliseconds=1))
    paragraphs = [_cause(shop, name, cause), *_examples(cause)]
    if f"mail.cause.{name}.todo" in _with_todo():
        paragraphs.append(t(f"mail.cause.{name}.todo"))
    tasks = {"type": "SyncOrder", "created_from": _utc(incident.bad_since - timedelta(minutes=5))}
    return Letter(
        t(f"mail.cause.{name}.subject", shop=_name(shop), length=length),
        [_since(shop, incident), *paragraphs],
        [(t("mail.link.tasks"), f"{config.app_url}/tasks?{urlencode(tasks)}"), *_links()],
    )


def _with_todo() -> set[str]:
    return {f"mail.cause.{cause}.todo" for cause in Cause if cause is not Cause.NO_ORDERS}


def _since(shop: Shop, incident: Incident) -> str:
    evidence = incident.evidence
    if evidence.get("first"):
        return t("mail.silence.first")
    since = t("mail.silence.since", since=_moment(shop, incident.bad_since))
    if incident.rule == Rule.RHYTHM:
        expected = number(evidence["expected"], 1)
        return f"{since} {t('mail.silence.rhythm', length=_seconds(evidence['elapsed']), expected=expected)}"
    length, period = _seconds(evidence["elapsed"]), _seconds(60 * (evidence["period"] or 0))
    if evidence.get("window"):
        start, end = evidence["window"]
        return f"{since} {t('mail.silence.counted', length=length, period=period, start=start, end=end)}"
    return f"{since} {t('mail.silence.plain', length=length, period=period)}"


def _cause(shop: Shop, name: str, cause: dict[str, Any]) -> str:
    counts = {
        Cause.UNHEARD: cause.get("orders"),
        Cause.ON_THE_WAY: cause.get("orders"),
        Cause.WAITING: cause.get("waiting"),
        Cause.REFUSED: cause.get("refused"),
        Cause.LEFT_OUT: cause.get("left_out"),
    }
    count = counts.get(Cause(name))
    if count is None:
        return t(f"mail.cause.{name}.says")
    since = _moment(shop, datetime.fromisoformat(cause["oldest"])) if cause.get("oldest") else ""
    return t(f"mail.cause.{name}.says", count=count, since=since)


def _examples(cause: dict[str, Any]) -> list[str]:
    """A paragraph for each group of tasks with the same outcome, explained as on the tasks' own pages."""
    paragraphs = []
    for each in cause.get("examples", []):
        task = Task.get_or_none(Task.id == each["task_id"])
        meaning = meaning_of(task.reason, task.code) if task else None
        if meaning:
            paragraphs.append(t("mail.example", count=each["count"], title=meaning.title))
    return paragraphs


def _errors(shop: Shop, incident: Incident) -> Letter:
    everything, worst = incident.evidence["tallies"][0], incident.evidence["worst"]
    share = _share(everything if everything["errors"] else worst)
    threshold, errors, finished = incident.evidence["threshold"], everything["errors"], everything["finished"]
    paragraphs = [t("mail.errors.says", share=share, threshold=threshold, errors=errors, finished=finished)]
    if worst["group"] != everything["group"]:
        group = t(f"mail.group.{worst['group']}")
        paragraphs.append(t("mail.errors.group", group=group, errors=worst["errors"], finished=worst["finished"]))
    silent = next((each for each in Incident.open_of(shop) if each.held_by == Rule.ERRORS), None)
    if silent:
        paragraphs.append(t("mail.errors.silent", since=_moment(shop, silent.bad_since)))
    tasks = f"{config.app_url}/tasks?{urlencode({'problem': 'open'})}"
    subject = t("mail.errors.subject", share=share, shop=_name(shop))
    return Letter(subject, paragraphs, [(t("mail.link.tasks"), tasks), *_links()])


def _remind(shop: Shop, incident: Incident) -> Letter:
    first = story(shop, incident)
    text = t("mail.remind.says", since=_moment(shop, incident.opened_at))
    return replace(first, subject=t("mail.remind.subject", subject=first.subject), paragraphs=[text, *first.paragraphs])


def _resolve(shop: Shop, incident: Incident) -> Letter:
    end = incident.closed_at or utcnow()
    times: dict[str, Any] = {"start": _moment(shop, incident.bad_since), "end": _moment(shop, end)}
    if incident.closed_by == "recovered":
        length = duration((end - incident.bad_since) / timedelta(milliseconds=1))
        text = t(f"mail.resolve.recovered.{incident.rule}", length=length, **times)
    else:
        text = t(f"mail.resolve.{incident.closed_by}", **times)
    return Letter(t("mail.resolve.subject", subject=story(shop, incident).subject), [text], _links())


def _unstable(shop: Shop, incident: Incident) -> Letter:
    since = incident.opened_at - timedelta(days=1)
    count = len(Incident.openings(shop, incident.rule, since))
    text = t(f"mail.unstable.{incident.rule}", count=count, since=_moment(shop, since))
    return Letter(t("mail.unstable.subject", shop=_name(shop)), [text], _links())


def _test(shop: Shop, mail: Mail) -> Letter:
    return Letter(t("mail.test.subject", shop=_name(shop)), [t("mail.test.says", shop=_name(shop))], _links())


def _confirm(shop: Shop, mail: Mail) -> Letter:
    link = (t("mail.link.confirm"), f"{config.app_url}/alerts/confirm/{WHOSE}")
    name = _name(shop)
    return Letter(t("mail.confirm.subject", shop=name), [t("mail.confirm.says", shop=name)], [link])


def _stalled(kind: str, incident: Incident | None) -> Letter:
    """The mail to the operator about the app itself."""
    since = moment(incident.bad_since) if incident else ""
    if incident and kind == Kind.RESOLVE:
        return Letter(t("mail.stalled.over"), [t("mail.stalled.worked", since=since, end=moment(incident.closed_at))])
    return Letter(t("mail.stalled.subject"), [t("mail.stalled.says", since=since), t("mail.stalled.todo")])


LETTERS: dict[Kind, Callable[[Shop, Incident], Letter]] = {
    Kind.FIRE: story,
    Kind.REMIND: _remind,
    Kind.RESOLVE: _resolve,
    Kind.UNSTABLE: _unstable,
}
PLAIN: dict[Kind, Callable[[Shop, Mail], Letter]] = {Kind.TEST: _test, Kind.CONFIRM: _confirm}


def _links() -> list[tuple[str, str]]:
    return [
        (t("mail.link.alerts"), f"{config.app_url}/alerts"),
        (t("mail.link.settings"), f"{config.app_url}/settings"),
    ]


def _name(shop: Shop) -> str:
    return shop.name or shop.domain


def _moment(shop: Shop, instant: datetime) -> str:
    return t("mail.times", time=moment(instant.astimezone(shop.zone)), zone=shop.timezone)


def _seconds(seconds: float) -> str:
    return duration(seconds * 1000)


def _share(tally: dict[str, Any]) -> str:
    return percent(tally["errors"] / max(tally["finished"], 1))


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}"
