"""The language of a page: how it is negotiated and chosen, and that no text of another is left on it."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from i18n.catalogue import translations
from i18n.locale import ENGLISH
from models import Outcome, Shop, State, Task
from taskqueue import circuit_breaker, claims
from taskqueue.types import TYPES
from tests.support.tasks.outcomes import cause_of, ending, error_of
from tests.support.tasks.task_steps import claim, enqueue, finish, send
from tests.support.web.pages import ParsedPage, get_page
from views.web.language import COOKIE, parse_accept_language, supported_language

LONG = 20  # characters that do not come together by accident
SWEDISH = {"Accept-Language": "sv-SE,sv;q=0.9,en-US;q=0.8,en;q=0.7"}


def language_of(response):
    (html,) = ParsedPage(response.text).all("html")
    assert response.headers["Content-Language"] == html["lang"]
    return html["lang"]


def set_language(shop, language):
    Shop.update(settings={"language": language}).where(Shop.id == shop.id).execute()


# Which


def test_without_accept_language_the_page_is_english(client):
    assert language_of(client.get("/tasks")) == "en"


def test_accept_language_chooses_the_language(client):
    assert language_of(client.get("/tasks", headers=SWEDISH)) == "sv"


def test_the_shops_setting_precedes_accept_language(client, shop):
    set_language(shop, "en")

    assert language_of(client.get("/tasks", headers=SWEDISH)) == "en"


def test_the_cookie_precedes_the_shops_setting(client, shop):
    set_language(shop, "sv")
    client.cookies.set(COOKIE, "en")

    assert language_of(client.get("/tasks", headers=SWEDISH)) == "en"


@pytest.mark.parametrize("setting", ["", "de", None, 7, ["sv"]])
def test_an_unsupported_language_in_the_settings_is_ignored(client, shop, setting):
    set_language(shop, setting)

    assert language_of(client.get("/tasks", headers=SWEDISH)) == "sv"


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("", [""]),
        ("sv", ["sv"]),
        ("en;q=0.5, sv;q=0.9", [" sv", "en"]),
        ("de, sv;q=0.8, en;q=0.8", ["de", " sv", " en"]),
        ("sv;q=0, en", [" en"]),
        ("sv;q=much, en", [" en"]),
        ("sv;level=1;q=1, en", [" en"]),
        ("en;q=0.5, sv;q=nan, de;q=0.7", [" de", "en"]),
    ],
)
def test_accept_language_is_ordered_by_quality(header, names):
    assert parse_accept_language(header) == names


@pytest.mark.parametrize(
    ("name", "ours"),
    [("sv", "sv"), (" SV-se ", "sv"), ("sv_SE", "sv"), ("en-GB", "en"), ("de", None), ("", None), ("../en", None)],
)
def test_a_region_falls_back_to_its_language(name, ours):
    assert supported_language(name) == ours


def test_the_first_supported_language_is_chosen():
    assert supported_language("de", "", "sv-SE", "en") == "sv"


def test_the_not_signed_in_error_is_translated(anonymous):
    response = anonymous.get("/tasks", headers=SWEDISH)

    assert (response.status_code, language_of(response)) == (401, "sv")
    assert "Du är inte inloggad" in response.text


def test_the_error_of_a_used_sign_in_link_is_translated(anonymous, database):
    assert anonymous.get("/sign-in?token=x", headers=SWEDISH).text.startswith("Länken är redan använd")


def test_the_error_message_in_json_is_translated(client):
    assert "måste vara ett heltal" in client.get("/tasks.json?limit=x", headers=SWEDISH).json()["error"]


def test_json_is_the_same_in_every_language(client, shop):
    finish(shop, enqueue(shop), reason="The order was cancelled before it was paid, so nothing was sold.")

    assert client.get("/tasks.json", headers=SWEDISH).json() == client.get("/tasks.json").json()


# The choice


def test_choosing_a_language_sets_a_cookie_and_keeps_the_url(client):
    response = client.get("/tasks?state=error&q=&lang=sv&state=pending")

    assert (response.status_code, response.headers["Location"]) == (303, "/tasks?state=error&q=&state=pending")
    assert language_of(client.get(response.headers["Location"])) == "sv"


def test_every_page_links_to_the_other_languages_and_marks_the_current(client):
    offered = [link for link in get_page(client, "/tasks?state=error&lang=xx").all("a") if "hreflang" in link]

    assert [(each["lang"], each["href"], "aria-current" in each) for each in offered] == [
        ("en", "?state=error&lang=en", True),
        ("sv", "?state=error&lang=sv", False),
    ]


def test_the_language_can_be_changed_back(client):
    client.get("/tasks?lang=sv")
    client.get("/tasks?lang=en")

    assert language_of(client.get("/tasks", headers=SWEDISH)) == "en"


def test_an_unsupported_language_parameter_changes_nothing(client):
    response = client.get("/tasks?lang=tlh")

    assert (response.status_code, language_of(response)) == (200, "en")
    assert COOKIE not in response.cookies


@pytest.mark.parametrize("path", ["//elsewhere.example/x", "///elsewhere.example", "/\\elsewhere.example"])
def test_choosing_a_language_redirects_to_no_other_site(client, path):
    target = client.get(f"http://testserver{path}?lang=sv").headers["Location"]

    assert re.match(r"/[^/\\]", target)


def test_an_unknown_language_in_the_cookie_is_ignored(client):
    client.cookies.set(COOKIE, "../../etc")

    assert language_of(client.get("/tasks")) == "en"


# Nothing of another language


@pytest.fixture
def everything(client, shop):
    """The URLs of pages that show a bit of everything, in Swedish."""
    client.cookies.set(COOKIE, "sv")
    webhook = enqueue(shop, "OrderWebhook", shopify_id=1001)
    failed = enqueue(shop, shopify_id=1001, parent=webhook, args={"kind": "confirmed"})
    running = claim(shop, failed)
    send(running, status=422)
    claims.finish(running, State.ERROR, **ending("Engage answered 422 ValidationError.", "Engage 422 ValidationError"))
    claims.retry_in(
        claim(shop, enqueue(shop)),
        timedelta(hours=1),
        Outcome.FAILED,
        cause_of("Engage answered 503."),
        error_of("Engage 503"),
    )
    finish(shop, enqueue(shop), reason="The order has no customer, so there is no contact for it.")
    finish(shop, enqueue(shop, "SyncContact"))
    for name in TYPES:
        enqueue(shop, name)
    circuit_breaker.pause(shop, cause_of("Engage answered 401."), timedelta(minutes=5))
    tasks = [f"/tasks/{task.id}{part}" for task in Task.select() for part in ("", "/drawer")]
    return ["/tasks", "/tasks?state=error&type=SyncContact&q=77", "/tasks?sort=started_at", "/tasks?limit=2", *tasks]


def test_a_swedish_page_has_no_english_text(client, everything):
    english = foreign()
    seen = [Swedish(client.get(url).text) for url in (*everything, "/tasks?limit=x", f"/tasks/{uuid4()}")]

    left = {words for one in seen for words in (*map(str.strip, one.words), *labels(one)) if words in english}
    within = {words for one in seen for words in english if len(words) > LONG and words in one.text}

    assert left | within == set()


class Swedish(ParsedPage):
    """A page without what it says to be in another language."""

    def __init__(self, text):
        self.foreign = None
        super().__init__(text)

    def handle_starttag(self, tag, attributes):
        super().handle_starttag(tag, attributes)
        if dict(attributes).get("lang", "sv") != "sv":
            self.foreign = tag

    def handle_endtag(self, tag):
        self.foreign = None if tag == self.foreign else self.foreign

    def handle_data(self, words):
        if self.foreign is None:
            super().handle_data(words)


def test_the_pages_of_an_empty_shop_are_translated(client, shop):
    client.cookies.set(COOKIE, "sv")

    words = get_page(client, "/tasks").text

    assert "Inga uppgifter ännu" in words
    assert not {sentence for sentence in foreign() if len(sentence) > 12 and sentence in words}


def foreign():
    """What only English says."""
    ours = {text for text in translations("sv").values() if isinstance(text, str)}
    return {text for text in translations(ENGLISH).values() if isinstance(text, str) and text not in ours}


def labels(one):
    return [
        attributes[name]
        for _, attributes in one.tags
        for name in ("aria-label", "title", "placeholder", "data-label")
        if attributes.get(name)
    ]
