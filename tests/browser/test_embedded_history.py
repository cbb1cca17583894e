"""Back, Forward, reload and new tabs in Shopify's admin, where each document in the frame needs an ID token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import FrameLocator, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alerts import outbox
from models import Mail, MailKind, MailState
from sandbox.serve import serving
from tests.browser.admin_visits import Staff, admin, browser, servers
from tests.browser.visits import PHONE, WIDE, history

__all__ = ["admin", "browser", "history", "servers"]


@pytest.fixture(params=[WIDE, pytest.param(PHONE, marks=pytest.mark.slow)], ids=["wide", "phone"])
def staff(request, browser, servers, admin, history) -> Iterator[Staff]:
    """Staff of the shop with a known history of tasks."""
    with ExitStack() as stack:
        member = Staff(browser, servers, stack, request.param, history.domain)
        yield member
        assert member.wrong == []
        assert member.context.cookies() == []


class Place(NamedTuple):
    """A page of the app: an element that is in it, and its text."""

    selector: str
    text: str

    def check(self, frame: FrameLocator) -> None:
        expect(frame.locator(self.selector).first).to_contain_text(self.text)


class Step(NamedTuple):
    """A way from one page to another, inside the frame."""

    path: str
    start: Place
    act: Callable[[FrameLocator], Any]
    end: Place


LISTING, TASK = Place(".count", "70 tasks"), Place("main", "What happened")
SETTINGS, ALERTS, PROBLEMS = (Place("h1", title) for title in ("Settings", "Alerts", "Problems by cause"))


def _click(name: str, role: Any = "link", within: str = "main") -> Callable[[FrameLocator], None]:
    return lambda frame: frame.locator(within).get_by_role(role, name=name).first.click()


def _open_task(frame: FrameLocator) -> None:
    frame.locator("#listing a.id").first.click()


def _filter_by_state(frame: FrameLocator) -> None:
    frame.locator("#search > summary").click()
    frame.get_by_text("Add filter", exact=True).click()
    frame.get_by_label("Pending", exact=True).check()
    frame.get_by_role("button", name="Apply").click()


def _save_threshold(frame: FrameLocator) -> None:
    frame.get_by_label("Error rate threshold", exact=True).fill("12")
    frame.locator("#alerts").get_by_role("button", name="Save").click()


STEPS = {
    "a task": Step("tasks", LISTING, _open_task, TASK),
    "a figure of the summary": Step(
        "tasks", LISTING, lambda frame: frame.locator(".figure.error a").last.click(), Place(".count", "5 tasks")
    ),
    "a tab by htmx": Step("tasks", LISTING, _click("Open problems", within=".tabs"), Place(".count", "5 tasks")),
    "a filter by htmx": Step("tasks", LISTING, _filter_by_state, Place(".count", "5 tasks")),
    "the next page by htmx": Step("tasks", LISTING, _click("Older"), Place("a#page-before", "Newer")),
    "the problems tab": Step("tasks", LISTING, _click("Problems by cause"), PROBLEMS),
    "a problem": Step("problems", PROBLEMS, _click("Engage"), Place(".count", "5 tasks")),
    "a link of the footer": Step("settings", SETTINGS, _click("People", within=".foot"), Place("h1", "People")),
    "settings from alerts": Step("alerts", ALERTS, _click("Change when you are warned"), SETTINGS),
    "a saved form": Step("settings", SETTINGS, _save_threshold, Place("#alerts [role=status]", "Saved")),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_back_forward_and_reload_show_the_right_page(staff, step):
    frame = staff.open(step.path)
    step.start.check(frame)

    step.act(frame)
    step.end.check(frame)

    staff.page.go_back()
    step.start.check(frame)
    staff.page.go_forward()
    step.end.check(frame)
    staff.page.reload()
    step.end.check(frame)


@pytest.mark.parametrize("name", ["Alerts", "Imports", "Settings"])
def test_back_works_after_the_admins_own_navigation(staff, name):
    frame = staff.open("tasks?state=error")
    Place(".count", "5 tasks").check(frame)

    staff.page.get_by_role("navigation", name="Apps").get_by_role("link", name=name).click()
    Place("h1", name).check(frame)

    staff.page.go_back()
    Place(".count", "5 tasks").check(frame)
    staff.page.go_forward()
    Place("h1", name).check(frame)


def test_a_bare_address_in_the_frame_gets_its_token(staff):
    frame = staff.open("tasks")
    LISTING.check(frame)

    staff.app_frame.evaluate("location.assign('/alerts')")
    ALERTS.check(frame)
    staff.app_frame.evaluate("location.reload()")
    ALERTS.check(frame)
    _click("Change when you are warned")(frame)
    SETTINGS.check(frame)
    staff.page.go_back()
    ALERTS.check(frame)


def test_the_address_bar_of_the_admin_has_the_page_and_no_token(staff):
    frame = staff.open("tasks")
    LISTING.check(frame)
    _click("Open problems", within=".tabs")(frame)
    Place(".count", "5 tasks").check(frame)
    assert staff.page.url.endswith("/tasks?problem=open&as=owner")

    staff.page.go_back()
    LISTING.check(frame)

    staff.page.wait_for_url("**/tasks?as=owner")
    assert [name for name in ("id_token", "hmac", "session=") if name in staff.app_frame.url] == []


def test_back_leads_through_several_pages(staff):
    frame = staff.open("tasks")
    LISTING.check(frame)
    frame.locator(".figure.error a").last.click()
    Place(".count", "5 tasks").check(frame)
    _open_task(frame)
    TASK.check(frame)
    frame.get_by_role("link", name="People").click()
    Place("h1", "People").check(frame)

    staff.page.go_back()
    TASK.check(frame)
    staff.page.go_back()
    Place(".count", "5 tasks").check(frame)
    staff.page.go_back()
    LISTING.check(frame)


def test_a_download_leaves_page_and_history_as_they_are(staff):
    frame = staff.open("tasks")
    LISTING.check(frame)
    frame.locator(".figure.error a").last.click()
    Place(".count", "5 tasks").check(frame)

    frame.locator("#export > summary").click()
    with staff.page.expect_download() as download:
        frame.get_by_role("link", name="CSV").click()

    assert download.value.suggested_filename.endswith(".csv")
    Place(".count", "5 tasks").check(frame)
    staff.page.go_back()
    LISTING.check(frame)


# New tabs, deep links and mails


@pytest.mark.parametrize("how", [{"modifiers": ["Control"]}, {"button": "middle"}], ids=["Control", "middle button"])
def test_a_link_opens_in_a_new_tab_within_the_admin(staff, how):
    frame = staff.open("tasks?state=error")
    Place(".count", "5 tasks").check(frame)
    link = frame.locator("#listing a.id").first
    task_id = link.text_content()

    with staff.context.expect_page() as opened:
        link.click(**how)

    expect(opened.value.frame_locator("#app").locator(".properties")).to_contain_text(task_id)
    assert f"/store/demo/apps/sandbox-client-id/tasks/{task_id}" in opened.value.url
    Place(".count", "5 tasks").check(frame)
    link.click()
    expect(frame.locator(".properties").first).to_contain_text(task_id)


def test_the_menu_of_a_link_has_the_address_in_the_admin(staff):
    frame = staff.open("tasks")
    link = frame.locator("#listing a.id").first
    task_id = link.text_content()

    link.click(button="right")
    address = link.get_attribute("href")

    assert address == f"{staff.admin}/admin/store/demo/apps/sandbox-client-id/tasks/{task_id}"
    link.click()
    expect(frame.locator(".properties").first).to_contain_text(task_id)


def test_a_deep_link_keeps_its_query(staff):
    staff.page.goto(f"{staff.admin}/admin/store/demo/apps/sandbox-client-id/tasks?state=error&type=SyncOrder")

    Place(".count", "5 tasks").check(staff.frame)
    expect(staff.frame.locator(".chips li")).to_have_count(3)


def test_a_page_outside_of_the_admin_leads_into_it(staff):
    staff.page.goto(f"{staff.app}/tasks?state=error&shop=demo.myshopify.com")

    Place(".count", "5 tasks").check(staff.frame)
    assert staff.page.url.startswith(f"{staff.admin}/admin/store/demo/apps/sandbox-client-id/tasks?state=error")


def test_the_frames_own_address_in_a_tab_leads_into_the_admin(staff):
    frame = staff.open("tasks?state=error")
    Place(".count", "5 tasks").check(frame)

    staff.page.goto(staff.app_frame.url)

    Place(".count", "5 tasks").check(staff.frame)
    assert staff.page.url.startswith(f"{staff.admin}/admin/store/demo/")


def test_a_mails_link_opens_its_page_in_the_admin_and_within_the_frame(staff, history):
    number = outbox.put(history, MailKind.TEST, "owner@example.com")
    address = f"{staff.admin}/admin/store/demo/apps/sandbox-client-id/alerts"
    Mail.update(text=f"The alerts page:\n{address}\n", state=MailState.KEPT).execute()
    frame = staff.open(f"alerts/mails/{number}")

    frame.get_by_role("link", name=address).click()
    ALERTS.check(frame)
    staff.page.go_back()
    expect(frame.locator("pre")).to_contain_text(address)

    staff.page.goto(address)
    ALERTS.check(staff.frame)


def test_a_retried_task_is_one_page_back_from_the_listing(staff):
    frame = staff.open("tasks?state=error")
    Place(".count", "5 tasks").check(frame)
    _open_task(frame)

    frame.get_by_role("button", name="Retry").click()
    expect(frame.locator(".head").first).to_contain_text("Pending")

    staff.page.reload()
    expect(frame.locator(".head").first).to_contain_text("Pending")
    frame.get_by_role("link", name="People").click()
    Place("h1", "People").check(frame)
    staff.page.go_back()
    expect(frame.locator(".head").first).to_contain_text("Pending")


def test_a_refused_form_keeps_the_page_and_what_was_typed(staff):
    frame = staff.open("alerts")
    _click("Change when you are warned")(frame)
    frame.get_by_label("Error rate threshold", exact=True).fill("500")
    frame.locator("#alerts").get_by_role("button", name="Save").click()
    expect(frame.get_by_label("Error rate threshold", exact=True)).to_have_value("500")

    staff.page.go_back()
    ALERTS.check(frame)
    staff.page.go_forward()
    SETTINGS.check(frame)


# The address never says where an ID token goes


@pytest.mark.parametrize(
    "path",
    [
        "auth/session-token?shopify-reload={evil}&shopify-reload=%2Ftasks",
        "auth/session-token?shopify-reload=%2Ftasks&shopify-reload={evil}",
        "auth/session-token?shopify-reload={evil}",
        "tasks?shopify-reload={evil}",
        "?shopify-reload={evil}",
        "nowhere?shopify-reload={evil}",
        "auth/session-token?shopify-reload=%2Fnowhere%3Fshopify-reload%3D{evil}",
        "auth/session-token?shopify-reload=%2Fauth%2Fsession-token%3Fshopify-reload%3D{evil}",
    ],
)
def test_no_link_makes_app_bridge_give_the_token_to_another_site(staff, path):
    asked: list[str] = []
    with serving(_listening(asked)) as evil:
        staff.page.goto(f"{staff.admin}/admin/store/demo/apps/sandbox-client-id/{path.format(evil=f'{evil}/x')}")
        staff.page.wait_for_load_state("networkidle")

    assert asked == []


def _listening(asked: list[str]) -> Starlette:
    """A site that notes what it is asked for."""

    def note(request: Request) -> Response:
        asked.append(str(request.url))
        return Response()

    return Starlette(routes=[Route("/{path:path}", note)])
