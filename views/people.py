"""Members of the shop (staff who have opened the app) and their permissions, and the end of all support links."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from database import db
from models import utcnow
from models.audit import Action, Audit
from models.members import Member, Permission, SupportLink
from views import Missing, parameters, render, view
from views.forms import Conflict, action, click_of, who
from views.request_state import Request
from words import t


@dataclass(frozen=True)
class Person:
    """A member on the page. `myself`: the signed-in one, who may not give up the permission that restores it."""

    row: Member
    myself: bool

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        """Each permission: its name, its label, and whether the member has it."""
        return [(str(each), t(f"permission.{each}"), each in self.row.permissions) for each in Permission]


@view
def index(request: Request) -> Response:
    """`GET /people`: the members of the shop with their permissions."""
    shop, user = request.state.shop, who(request)
    return render(
        request,
        "people/index.html",
        people=[Person(each, each.user_id == user) for each in Member.of(shop)],
        links=SupportLink.open(shop, utcnow()),
    )


@action(needs=Permission.SETTINGS)
def allow(request: Request) -> Response:
    """`POST /people/{id}`: give a member exactly the permissions that are ticked."""
    row = _member(request)
    wanted = frozenset(each for each in Permission if request.state.form.get(each) == "yes")
    if row.user_id == who(request) and Permission.SETTINGS not in wanted:
        raise Conflict(t("members.not_yourself"))
    details = {"part": "people", "member": str(row.id), "allowed": sorted(wanted)}
    with db.atomic():
        if Audit.note(row.shop, Action.SETTINGS, who(request), click=click_of(request), details=details):
            row.allow(wanted)
    return RedirectResponse(f"/people#person-{row.id}", 303)


@action(needs=Permission.SUPPORT)
def end_links(request: Request) -> Response:
    """`POST /people/support/end`: end all support links of the shop."""
    shop = request.state.shop
    with db.atomic():
        if Audit.note(shop, Action.SUPPORT_END, who(request), click=click_of(request)):
            SupportLink.end_all(shop)
    return RedirectResponse("/people#support", 303)


def _member(request: Request) -> Member:
    """The member of the URL, if it is of the signed-in shop. Raises Missing."""
    member_id = parameters.uuid(request.path_params["member_id"])
    found = Member.get_or_none((Member.id == member_id) & (Member.shop == request.state.shop))
    if found is None:
        raise Missing(t("members.missing"))
    return found


routes = [
    Route("/people", index),
    Route("/people/support/end", end_links, methods=["POST"]),
    Route("/people/{member_id}", allow, methods=["POST"]),
]
