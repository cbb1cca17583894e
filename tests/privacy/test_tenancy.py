"""Tenancy: every route, in every method, with the ids of another shop's data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from starlette.routing import Mount

from app import ROUTES
from database import db
from models import new_id
from privacy.erasure import KEPT, tables_with_shop_data
from tests.support.filled_shops import FilledShop, fill_shop
from tests.support.web.forms import fields
from views.settings.form import sections
from views.tasks.pagination import Cursor, Sort
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie

Ids = dict[str, str]
NEWEST_FIRST = Sort("created_at", descending=True)


def route_methods(routes: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Every method and path that the app answers, those below a mount included."""
    for route in routes:
        if isinstance(route, Mount):
            yield from route_methods(route.routes or [], above + route.path)
            yield from [] if route.routes else [("GET", f"{above}{route.path}/{{path:path}}")]
        else:
            yield from ((method, above + route.path) for method in route.methods or {"GET"} if method != "HEAD")


@dataclass(frozen=True)
class Hidden:
    """A route of something that is a shop's: to all others there is no such thing.

    `ways`: what its parameters may be, by the names of `Tenant.ids`; `form`: what its form says.
    """

    ways: tuple[dict[str, str], ...]
    form: Callable[[Ids], Ids] = lambda ids: {}


@dataclass(frozen=True)
class Shared:
    """A route that every signed-in shop has: with its own things only.

    `queries`: what may be asked of it with another's ids; `parts`: the values of its parameter; `form`: what it says.
    """

    queries: Callable[[Ids], list[str]] = lambda ids: []
    parts: tuple[str, ...] = ("",)
    form: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Open:
    """A route that asks for no session: what it is opened by is a secret of its own, or it is for everybody.

    `unknown`: what it answers to a secret that is nobody's.
    """

    why: str
    unknown: int


def one_id_each(*names: str) -> Hidden:
    return Hidden(tuple({name: name} for name in names))


ENTITIES = Hidden(tuple({"kind": kind, "shopify_id": kind} for kind in ("order", "customer", "refund")))
TASK, BATCH, VIEW, ALERT = (
    one_id_each("task_id"),
    one_id_each("batch_id"),
    one_id_each("view_id"),
    one_id_each("incident_id"),
)
TOKEN = Open("whoever has the link is the reader of the address", 404)


def searches(ids: Ids) -> list[str]:
    """The listing asked for by everything that another shop's tasks are found by."""
    texts = [ids["task_id"], ids["task_id"][:13], ids["order"], ids["engage"], ids["name"], ids["import_id"]]
    asked = [f"q={text}" for text in texts] + [f"q={ids['import_id']}&reading=import", f"q={ids['name']}&reading=order"]
    mark = Cursor(None, UUID(ids["task_id"])).encode(NEWEST_FIRST)
    return [*asked, f"after={mark}", f"q={ids['order']}&state=error&type=SyncOrder", "sort=completed_at", "limit=200"]


def pages(ids: Ids) -> list[str]:
    return [*searches(ids), f"before={Cursor(None, UUID(ids['task_id'])).encode(NEWEST_FIRST)}"]


SETTINGS = Shared(parts=tuple(sections()))

CASES: dict[tuple[str, str], Hidden | Shared | Open] = {
    ("GET", "/"): Open("it leads whoever is signed in to their listing", 401),
    ("GET", "/auth/session-token"): Open("a page without anything, by which Shopify's admin comes back", 200),
    ("POST", "/webhooks/shopify"): Open("Shopify signs its body", 401),
    ("POST", "/webhooks/engage/{shop_token}"): Open("its address is a secret, and Engage signs its body", 404),
    ("GET", "/sign-in"): Open("a token that opens one shop once", 401),
    ("POST", "/sign-in"): Open("the same token", 401),
    ("POST", "/sign-out"): Shared(),
    ("GET", "/healthz"): Open("for the platform", 200),
    ("GET", "/readyz"): Open("for the platform", 200),
    ("GET", "/metrics"): Open("for Prometheus, which has a token", 404),
    ("GET", "/tasks"): Shared(pages),
    ("GET", "/tasks.json"): Shared(lambda ids: [*pages(ids), "limit=all"]),
    ("GET", "/tasks.csv"): Shared(lambda ids: [*searches(ids), "limit=all"]),
    ("GET", "/views"): Shared(searches),
    ("POST", "/views"): Shared(form={"name": "Mine"}),
    ("POST", "/views/{view_id}/rename"): Hidden(VIEW.ways, lambda ids: {"name": "Taken over"}),
    ("POST", "/views/{view_id}/update"): VIEW,
    ("POST", "/views/{view_id}/delete"): VIEW,
    ("POST", "/views/{view_id}/restore"): VIEW,
    ("GET", "/summary.json"): Shared(),
    ("GET", "/tasks/live"): Shared(lambda ids: [f"{query}&shown=2020-01-01" for query in searches(ids)]),
    ("GET", "/tasks/{task_id}"): TASK,
    ("POST", "/tasks/{task_id}/reveal"): TASK,
    ("GET", "/tasks/{task_id}/drawer"): TASK,
    ("GET", "/tasks/{task_id}/sent"): TASK,
    ("GET", "/entities/{kind}/{shopify_id:path}"): ENTITIES,
    ("GET", "/imports"): Shared(),
    ("POST", "/imports"): Shared(form={"first": "2026-01-01", "last": "2026-01-02", "ready": "yes"}),
    ("POST", "/imports/access"): Shared(),
    ("POST", "/imports/estimate"): Shared(form={"first": "2026-11-01", "last": "2026-11-02"}),
    ("POST", "/imports/{import_id:int}/{action}"): Hidden(
        tuple({"import_id:int": "import_id", "action": f"={action}"} for action in ("pause", "resume", "cancel"))
    ),
    ("POST", "/tasks/{task_id}/retry"): TASK,
    ("GET", "/tasks/{task_id}/resend"): TASK,
    ("POST", "/tasks/{task_id}/resend"): TASK,
    ("GET", "/tasks/{task_id}/replay"): TASK,
    ("POST", "/tasks/{task_id}/replay/same"): Hidden(TASK.ways, lambda ids: {"sure": "yes"}),
    ("POST", "/tasks/{task_id}/replay/rebuild"): TASK,
    ("GET", "/batches"): Shared(),
    ("POST", "/batches"): Shared(searches, form={"asked_at": "2100-01-01T00:00:00+00:00"}),
    ("GET", "/batches/new"): Shared(searches),
    ("GET", "/batches/{batch_id}"): BATCH,
    ("POST", "/batches/{batch_id}/cancel"): BATCH,
    ("GET", "/audit"): Shared(lambda ids: [f"before={ids['audit']}", f"before={new_id()}"]),
    ("GET", "/alerts/confirm/{token}"): TOKEN,
    ("POST", "/alerts/confirm/{token}"): TOKEN,
    ("GET", "/alerts/unsubscribe/{token}"): TOKEN,
    ("POST", "/alerts/unsubscribe/{token}"): TOKEN,
    ("GET", "/problems"): Shared(),
    ("GET", "/problems.json"): Shared(),
    ("GET", "/alerts"): Shared(lambda ids: [f"before={ids['over']}", f"before={new_id()}"]),
    ("POST", "/alerts/test"): Shared(),
    ("GET", "/alerts/mails/{mail_id}"): one_id_each("mail_id"),
    ("POST", "/alerts/{incident_id}/acknowledge"): ALERT,
    ("POST", "/alerts/{incident_id}/snooze"): Hidden(ALERT.ways, lambda ids: {"hours": "4"}),
    ("POST", "/alerts/{incident_id}/wake"): ALERT,
    ("GET", "/settings"): Shared(lambda ids: [f"saved={ids['audit']}"]),
    ("POST", "/settings/addresses"): Shared(form={"addresses": "new@example.com"}),
    ("POST", "/settings/addresses/remove"): Hidden(({},), lambda ids: {"address": ids["address"]}),
    ("POST", "/settings/addresses/ask"): Hidden(({},), lambda ids: {"address": ids["address"]}),
    ("POST", "/settings/backtest"): SETTINGS,
    ("POST", "/settings/stores"): Shared(),
    ("POST", "/settings/notifications/try"): Shared(form={"kind": "confirmed", "email": "new@example.com"}),
    ("POST", "/settings/secret"): Shared(form={"secret": "whsec_c2VjcmV0IG9mIG1pbmUgYWxvbmU="}),
    ("POST", "/settings/{part}"): SETTINGS,
    ("GET", "/welcome"): Shared(),
    ("POST", "/welcome/engage"): Shared(form={"tenant": "", "key": ""}),
    ("POST", "/welcome/store"): Shared(form={"store": "SE-WEB"}),
    ("GET", "/people"): Shared(),
    ("POST", "/people/{member_id}"): one_id_each("member_id"),
    ("POST", "/people/sessions/end"): Shared(),
    ("POST", "/people/support/end"): Shared(),
    ("POST", "/tasks/{task_id}/support"): TASK,
    ("POST", "/support/{kind}/{shopify_id}"): ENTITIES,
    ("GET", "/support/{token}"): TOKEN,
    ("GET", "/data-requests"): Shared(),
    ("GET", "/data-requests/{task_id}/download"): TASK,
    ("GET", "/help/task-types"): Shared(),
    ("GET", "/static/{path:path}"): Open("nobody's", 404),
}
HIDDEN = {key: case for key, case in CASES.items() if isinstance(case, Hidden)}
SHARED = {key: case for key, case in CASES.items() if isinstance(case, Shared)}
OPEN = {key: case for key, case in CASES.items() if isinstance(case, Open)}


def test_every_route_has_a_case_and_every_case_a_route():
    assert set(CASES) == set(route_methods(ROUTES))


@pytest.fixture
def theirs(other_shop: Any) -> FilledShop:
    """Another shop that has one of everything."""
    return fill_shop(other_shop, "canary-theirs", 77_111)


@pytest.fixture
def mine(shop: Any) -> FilledShop:
    """The signed-in shop, which has one of everything too."""
    return fill_shop(shop, "canary-mine", 88_222)


def fill_path(path: str, way: dict[str, str], ids: Ids) -> str:
    for name, value in way.items():
        filled = value[1:] if value.startswith("=") else ids.get(value, value) if name != "kind" else value
        path = path.replace(f"{{{name}}}", filled)
    return re.sub(r"{shopify_id:path}", ids.get(way.get("shopify_id", ""), ""), path)


@pytest.fixture
def ask(client: Any) -> Callable[..., Any]:
    """Ask as a browser would that has just been shown a page of ours: a form has its seal and a click of its own."""
    seal = fields(client, "/imports", "/imports")

    def asked(method: str, url: str, form: Ids | None = None) -> Any:
        form_data = {"data": seal | {"click": str(new_id())} | (form or {})} if method == "POST" else {}
        return client.request(method, url, **form_data)

    return asked


def rows_as_text(shop_id: int) -> dict[str, list[str]]:
    """Every row of the shop's, in text."""
    found = {}
    for table in [*tables_with_shop_data(), *sorted(KEPT)]:
        kept = db.execute_sql(f"SELECT t::text FROM {table} t WHERE shop_id = %s ORDER BY 1", (shop_id,)).fetchall()
        found[table] = [row for (row,) in kept]
    found["shop"] = [
        row for (row,) in db.execute_sql("SELECT t::text FROM shop t WHERE id = %s", (shop_id,)).fetchall()
    ]
    return found


def test_the_other_shop_has_a_row_in_every_table(theirs):
    assert [table for table, kept in rows_as_text(theirs.shop.id).items() if not kept] == []


@pytest.mark.parametrize(("method", "path"), HIDDEN)
def test_another_shops_data_are_neither_shown_nor_changed(ask, mine, theirs, method, path):
    case, before = HIDDEN[method, path], rows_as_text(theirs.shop.id)

    for way in case.ways:
        for verb in [method, "HEAD"] if method == "GET" else [method]:
            answer = ask(verb, fill_path(path, way, theirs.ids), case.form(theirs.ids))
            assert answer.status_code == 404, way
            assert [
                secret
                for secret in theirs.secrets
                if secret in without_echo(answer.text, fill_path(path, way, theirs.ids))
            ] == []
    assert rows_as_text(theirs.shop.id) == before


@pytest.mark.parametrize(("method", "path"), HIDDEN)
def test_another_shops_ids_are_answered_like_unknown_ids(ask, mine, theirs, method, path):
    case, nobodys = HIDDEN[method, path], unknown_ids(theirs.ids)

    for way in case.ways:
        known = ask(method, fill_path(path, way, theirs.ids), case.form(theirs.ids))
        unknown = ask(method, fill_path(path, way, nobodys), case.form(nobodys))
        assert (known.status_code, without_nonces(known.text)) == (unknown.status_code, without_nonces(unknown.text))
        assert known.headers.keys() == unknown.headers.keys()


@pytest.mark.parametrize(("method", "path"), HIDDEN)
def test_a_shops_own_data_are_found(ask, mine, theirs, method, path):
    """So that a 404 above says whose it is, and not that it was asked for in a wrong way."""
    case = HIDDEN[method, path]

    for way in case.ways:
        assert ask(method, fill_path(path, way, mine.ids), case.form(mine.ids)).status_code in {200, 303, 409}, way


@pytest.mark.parametrize(("method", "path"), SHARED)
def test_shared_pages_show_nothing_of_another_shop(ask, mine, theirs, method, path):
    case, before = SHARED[method, path], rows_as_text(theirs.shop.id)

    for query in ["", *case.queries(theirs.ids | visible_names(theirs))]:
        for part in case.parts:
            url = f"{path.replace('{part}', part)}?{query}"
            answer = ask(method, url, case.form)
            assert answer.status_code < 500
            assert [secret for secret in theirs.secrets if secret in without_echo(answer.text, url)] == [], url
    assert rows_as_text(theirs.shop.id) == before
    assert not [row for kept in rows_as_text(mine.shop.id).values() for row in kept if theirs.canary in row]


def visible_names(tenant: FilledShop) -> Ids:
    return {"engage": f"{tenant.canary}-engage", "name": f"{tenant.canary}-order"}


def without_echo(text: str, given: str) -> str:
    """What a page says of its own accord: not what it repeats from its address."""
    for word in re.split(r"[/?&=]", given):
        text = text.replace(word, "") if len(word) > 3 else text
    return text


def unknown_ids(ids: Ids) -> Ids:
    """Ids of the same shape that nothing has."""
    digits = {name: re.sub("[0-9]", "9", each) for name, each in ids.items()}
    return {name: str(new_id()) if len(ids[name]) == 36 else each for name, each in digits.items()} | {
        "address": "nobody@second.example"
    }


UUIDS = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{64}")
NONCES = re.compile(r'nonce="[\w-]+"')
INSTANTS = re.compile(r"\d\d:\d\d:\d\d|20\d\d-\d\d-\d\d[T ]\d\d(:|%3A)\d\d((:|%3A)\d\d(\.\d+)?)?Z?")


def without_nonces(text: str) -> str:
    """A page without what is new in it each time."""
    return NONCES.sub("", INSTANTS.sub("", UUIDS.sub("", text)))


@pytest.mark.parametrize("path", [path for method, path in SHARED if method == "GET"])
def test_not_a_byte_of_a_page_comes_from_another_shop(ask, shop, other_shop, path):
    """Counts included: a number tells as much as a name."""
    before = without_nonces(ask("GET", path).text)

    theirs = fill_shop(other_shop, "canary-theirs", 77_111)

    assert without_nonces(ask("GET", path).text) == before
    assert theirs.canary not in before


def test_another_shops_exchange_is_not_shown_by_an_own_task(ask, mine, theirs):
    for part in ("sent", "received"):
        url = f"/tasks/{mine.ids['task_id']}/sent?part={part}&exchange="
        assert ask("GET", url + theirs.ids["exchange"]).status_code == 404
        assert mine.canary in ask("GET", url + mine.ids["exchange"]).text


def test_an_own_order_is_not_compared_with_another_shops_sync(ask, mine, theirs):
    for name in ("from", "to"):
        url = f"/entities/order/{mine.ids['order']}?{name}="
        assert ask("GET", url + theirs.ids["task_id"]).status_code == 404
        assert ask("GET", url + mine.ids["task_id"]).status_code == 200


# What names nothing. That it counts nothing of others either, the test above says.
COUNTS = {"/summary.json", "/problems.json", "/tasks/live", "/batches/new", "/help/task-types"}


@pytest.mark.parametrize("path", [path for method, path in SHARED if method == "GET" and path not in COUNTS])
def test_a_shops_own_data_are_on_the_pages(ask, mine, path):
    """So that the absence of another's says something."""
    assert any(secret in ask("GET", path).text for secret in mine.secrets)


@pytest.mark.parametrize(("method", "path"), {**HIDDEN, **SHARED})
def test_signed_out_no_page_shows_any_shops_data(anonymous, mine, theirs, method, path):
    case = CASES[method, path]

    for way in case.ways if isinstance(case, Hidden) else ({"part": "=alerts"},):
        answer = anonymous.request(method, fill_path(path, way, mine.ids))
        assert answer.status_code == 401
        assert [secret for secret in (*mine.secrets, *theirs.secrets) if secret in answer.text] == []


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_routes_without_a_session_accept_no_invented_tokens(anonymous, mine, theirs, method, path):
    url = re.sub(r"{.*?}", "made-up", path)

    answer = anonymous.request(method, url, content=b"{}" if method == "POST" else None)

    assert answer.status_code == OPEN[method, path].unknown
    assert [secret for secret in (*mine.secrets, *theirs.secrets) if secret in answer.text] == []


def test_the_session_of_one_shop_does_not_open_another(anonymous, mine, theirs):
    for tenant, other in ((mine, theirs), (theirs, mine)):
        anonymous.cookies.set(SESSION_COOKIE, session_cookie(tenant.shop.id))
        assert anonymous.get(f"/tasks/{tenant.ids['task_id']}").status_code == 200
        assert anonymous.get(f"/tasks/{other.ids['task_id']}").status_code == 404
