"""Members of the shop (staff who have opened the app) and their permissions; the end of sessions and support links."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from database import db
from i18n.catalogue import t
from models import Action, Member, Permission, utcnow
from views.account import sign_in_links, support_links
from views.web import audit_log, browser_sessions, membership, query_params
from views.web.errors import Conflict, PageNotFound
from views.web.forms import action, current_user, idempotency_key
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view


@dataclass(frozen=True)
class MemberRow:
    """A member on the page. The signed-in one may not give up the permission by which it could be restored."""

    row: Member
    is_current_user: bool

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        """Each permission: its name, its label, and whether the member has it."""
        return [(str(each), t(f"permission.{each}"), each in self.row.permissions) for each in Permission]


@view
def index(request: Request) -> Response:
    """`GET /people`: the members of the shop with their permissions."""
    shop, user = request.state.shop, current_user(request)
    return render(
        request,
        "account/members.html",
        members=[MemberRow(each, each.user_id == user) for each in membership.of_shop(shop)],
        browser_sessions=browser_sessions.of_shop(shop),
        open_support_links=support_links.count_valid(shop, utcnow()),
    )


@action(needs=Permission.SETTINGS)
def save_permissions(request: Request) -> Response:
    """`POST /people/{id}`: give a member exactly the permissions that are ticked."""
    row = _member(request)
    wanted = frozenset(each for each in Permission if request.state.form.get(each) == "yes")
    if row.user_id == current_user(request) and Permission.SETTINGS not in wanted:
        raise Conflict(t("members.not_yourself"))
    details = {"part": "people", "member": str(row.id), "allowed": sorted(wanted)}
    with db.atomic():
        if audit_log.record(
            row.shop, Action.SETTINGS, current_user(request), idempotency_key=idempotency_key(request), details=details
        ):
            membership.set_permissions(row, wanted)
    return RedirectResponse(f"/people#person-{row.id}", 303)


@action(needs=Permission.SUPPORT)
def end_support_links(request: Request) -> Response:
    """`POST /people/support/end`: end all support links of the shop."""
    shop = request.state.shop
    with db.atomic():
        if audit_log.record(shop, Action.SUPPORT_END, current_user(request), idempotency_key=idempotency_key(request)):
            support_links.revoke_all(shop)
    return RedirectResponse("/people#support", 303)


@action(needs=Permission.SETTINGS)
def end_sessions(request: Request) -> Response:
    """`POST /people/sessions/end`: end every session that a sign-in link has opened, and every unused link."""
    shop = request.state.shop
    with db.atomic():
        if audit_log.record(shop, Action.SESSIONS_END, current_user(request), idempotency_key=idempotency_key(request)):
            browser_sessions.end_all(shop)
            sign_in_links.revoke_all(shop)
    return RedirectResponse("/people#sessions", 303)


def _member(request: Request) -> Member:
    """The member of the URL, if it is of the signed-in shop. Raises Missing."""
    member_id = query_params.parse_uuid(request.path_params["member_id"])
    found = Member.get_or_none((Member.id == member_id) & (Member.shop == request.state.shop))
    if found is None:
        raise PageNotFound(t("members.missing"))
    return found


routes = [
    Route("/people", index),
    Route("/people/sessions/end", end_sessions, methods=["POST"]),
    Route("/people/support/end", end_support_links, methods=["POST"]),
    Route("/people/{member_id}", save_permissions, methods=["POST"]),
]
