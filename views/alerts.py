"""Alerts: what has been noticed, who was told, and that somebody knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from alerts import telling
from alerts.letters import with_token
from config import config
from database import db
from models import utcnow
from models.audit import Action, Audit
from models.incidents import Incident
from models.mails import Fate, Mail
from models.members import Permission
from views import BadInput, Missing, parameters, render, view
from views.cases import Told, cases, standings
from views.forms import Conflict, action, click_of, who
from words import t

PAST, MAILS = 20, 20
SNOOZES = {"1": timedelta(hours=1), "4": timedelta(hours=4), "24": timedelta(days=1)}  # by hours


@view
def index(request: Request) -> Response:
    """`GET /alerts`: the rules, what is open, what is over, and the newest mails. `?before=ID` for what is older."""
    shop, before = request.state.shop, _before(request)
    past = Incident.past(shop, PAST + 1, before)
    return render(
        request,
        "alerts/index.html",
        standings=standings(shop),
        open=cases(shop, Incident.open_of(shop)),
        past=cases(shop, past[:PAST]),
        older=f"/alerts?before={past[PAST - 1].id}#past" if len(past) > PAST else None,
        first=before is None,
        mails=[Told(mail) for mail in Mail.newest(shop, MAILS)],
        told=telling.addresses(shop),
        sends=bool(config.smtp_url),
        tested=request.query_params.get("tested") == "yes",
        snoozes=list(SNOOZES),
    )


def _before(request: Request) -> UUID | None:
    given = request.query_params.get("before", "")
    found = parameters.uuid(given)
    if given and found is None:
        raise BadInput(t("alerts.bad_before", given=repr(given[:40])))
    return found


@view
def mail(request: Request) -> Response:
    """`GET /alerts/mails/{id}`: what a mail says. The links of one that was sent are its reader's alone."""
    shop, number = request.state.shop, parameters.uuid(request.path_params["mail_id"])
    found = Mail.find(shop, number) if number else None
    if found is None or not found.text:
        raise Missing(t("alerts.no_mail"))
    text = with_token(found.text, shop, found.address) if found.state == Fate.KEPT else found.text
    return render(request, "alerts/mail.html", told=Told(found), text=text)


@action(needs=Permission.ALERTS)
def acknowledge(request: Request) -> Response:
    """`POST /alerts/{id}/acknowledge`: no more reminders of this one."""
    return _change(
        request,
        Action.ALERT_ACKNOWLEDGE,
        lambda incident: incident.change(acknowledged_at=utcnow(), acknowledged_by=who(request)),
    )


@action(needs=Permission.ALERTS)
def snooze(request: Request) -> Response:
    """`POST /alerts/{id}/snooze`: none for some hours."""
    hours = request.state.form.get("hours", "")
    if hours not in SNOOZES:
        raise BadInput(t("alerts.bad_snooze", given=repr(hours[:40])))
    until = utcnow() + SNOOZES[hours]
    return _change(request, Action.ALERT_SNOOZE, lambda incident: incident.change(snoozed_until=until))


@action(needs=Permission.ALERTS)
def wake(request: Request) -> Response:
    """`POST /alerts/{id}/wake`: take back that it is known."""
    none = dict.fromkeys(("acknowledged_at", "acknowledged_by", "snoozed_until"))
    return _change(request, Action.ALERT_WAKE, lambda incident: incident.change(**none))


def _change(request: Request, what: Action, deed: Callable[[Incident], None]) -> Response:
    shop, number = request.state.shop, parameters.uuid(request.path_params["incident_id"])
    incident = Incident.find(shop, number) if number else None
    if incident is None:
        raise Missing(t("alerts.missing"))
    if incident.closed_at:
        raise Conflict(t("alerts.over"))
    with db.atomic():
        if Audit.note(shop, what, who(request), click=click_of(request), details={"incident_id": str(incident.id)}):
            deed(incident)
    return RedirectResponse(f"/alerts#incident-{incident.id}", 303)


@action(needs=Permission.ALERTS)
def test(request: Request) -> Response:
    """`POST /alerts/test`: a mail to everybody who would be told."""
    shop = request.state.shop
    try:
        with db.atomic():
            if Audit.note(shop, Action.ALERT_TEST, who(request), click=click_of(request)):
                telling.put_test(shop)
    except telling.TooMany:
        raise Conflict(t("alerts.too_many")) from None
    return RedirectResponse("/alerts?tested=yes#mails", 303)


routes = [
    Route("/alerts", index),
    Route("/alerts/test", test, methods=["POST"]),
    Route("/alerts/mails/{mail_id}", mail),
    Route("/alerts/{incident_id}/acknowledge", acknowledge, methods=["POST"]),
    Route("/alerts/{incident_id}/snooze", snooze, methods=["POST"]),
    Route("/alerts/{incident_id}/wake", wake, methods=["POST"]),
]
