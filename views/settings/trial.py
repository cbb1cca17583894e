"""Try an order notification on the settings page: a test to an address of one's own, with Engage's answer."""

from __future__ import annotations

from typing import cast

from starlette.responses import Response

from database import db
from i18n.catalogue import t
from mappings.notification.body import ORDER_STATUS, NotificationKind
from models import Action, AuditEntry, Permission
from sync.notification_trial.send import Trial, TrialOutcome, try_notification
from views.settings.page import render_page
from views.settings.recipients import MAX_LENGTH, ascii_address
from views.settings.trial_form import TrialForm
from views.web import audit_log
from views.web.forms import action, current_user, idempotency_key
from views.web.rate_limits import NOTIFICATION_TRIALS
from views.web.request_state import Request


@action(needs=Permission.SETTINGS)
def try_mail(request: Request) -> Response:
    """`POST /settings/notifications/try`: send a test, and show how it ended."""
    kind, typed = request.state.form.get("kind", ""), request.state.form.get("email", "").strip()[: MAX_LENGTH + 1]
    address = ascii_address(typed)
    if errors := _errors(kind, typed, address):
        return render_page(request, trial=TrialForm(kind, typed), errors=errors)
    NOTIFICATION_TRIALS.enforce(request.state.shop.id)
    trial = _try_once(request, cast(NotificationKind, kind), address or typed)
    return render_page(request, trial=TrialForm(kind, typed, trial))


def _errors(kind: str, typed: str, address: str | None) -> dict[str, str]:
    """Messages by field."""
    errors = {} if kind in ORDER_STATUS else {"trial_kind": t("settings.bad.choice")}
    if address is None:
        errors["trial_email"] = t("settings.bad.address", address=typed) if typed else t("settings.bad.no_address")
    return errors


def _try_once(request: Request, kind: NotificationKind, address: str) -> Trial:
    """Audit the test, send it, and add its outcome: a second press of the button sends none. No address is kept.

    No transaction is open while Engage is called. An entry without an outcome is of a test whose answer never came.
    """
    entry = _record(request, kind)
    if entry is None:
        return _earlier(request)
    trial = try_notification(request.state.shop, kind, address)
    with db.atomic():
        audit_log.set_details(entry, kind=kind, outcome=trial.outcome, status=trial.status)
    return trial


def _record(request: Request, kind: str) -> AuditEntry | None:
    shop, user, key = request.state.shop, current_user(request), idempotency_key(request)
    with db.atomic():
        return audit_log.record(shop, Action.NOTIFICATION_TEST, user, idempotency_key=key, details={"kind": kind})


def _earlier(request: Request) -> Trial:
    """The test of the first press."""
    found = audit_log.by_idempotency_key(request.state.shop, Action.NOTIFICATION_TEST, idempotency_key(request))
    details = found.details if found else {}
    return Trial(TrialOutcome(details.get("outcome", TrialOutcome.UNKNOWN)), status=details.get("status"))
