"""Explanations of errors, skips and waits: what each means, what to do, and who can do it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from graphql import GraphQLEnumType

from clients.engage.responses import NOT_FOUND_CODE
from clients.shopify.errors import BULK_LIMIT_CODES
from i18n.catalogue import t, translations
from i18n.error_codes import (
    ADVICE_BY_ERROR,
    ADVICE_BY_REASON,
    ENGAGE,
    ERROR_BY_CODE,
    ERROR_BY_REASON,
    SHOPIFY,
    STORAGE,
    Responsible,
    error_name,
)
from i18n.explanations import explain
from i18n.locale import ENGLISH, LANGUAGES, use_language
from i18n.reasons import recognise_reason, translate_reason
from models import Outcome, Shop, State, Task
from sandbox.shopify.api.schema import schema
from taskqueue import claims
from tests.support import code_sentences
from tests.support.tasks.task_steps import claim, enqueue, finish
from tests.support.web.pages import get_page
from views.tasks.explanation import explain_outcome

# Error names in Engage's documentation and in code that calls it.
ENGAGE_ERRORS = [
    "InvalidEmailAddress",
    "InvalidPhoneNumber",
    "InvalidSocialSecurityNumber",
    "InvalidContactType",
    "InvalidSearchQuery",
    "ContactNotFound",
    "MultipleMatches",
    "InvalidSystemConfiguration",
    "NoData",
    "ApprovedContactWithKeyExists",
    "ContactWithKeyIsBeingCreated",
    "ValidationError",
]
SHOPIFY_ERRORS = [
    "THROTTLED",
    "MAX_COST_EXCEEDED",
    "ACCESS_DENIED",
    "SHOP_INACTIVE",
    "INTERNAL_SERVER_ERROR",
    "TIMEOUT",
]

SENTENCES, CODED = code_sentences.sentences(), code_sentences.codes()


def names(family, of):
    found = [re.fullmatch(rf"{family}\.(\w+)\.{of}", key) for key in translations(ENGLISH)]
    return {each[1] for each in found if each}


# The tables are complete


def test_every_reason_that_our_code_writes_is_known():
    """Those that are not need an entry in locales/en/reasons.toml."""
    unknown = [
        each for each in SENTENCES if not (recognise_reason(each) or recognise_reason(f"Engage is paused. {each}"))
    ]

    assert {each: SENTENCES[each] for each in unknown} == {}


def test_every_known_reason_is_written_by_our_code():
    written = {name for each in SENTENCES for name in (*chain(each), *chain(f"x {each}"))}

    assert names("reason", "says") - written == set()


def chain(sentence):
    """The names of a reason and of the reasons inside it."""
    found = recognise_reason(sentence)
    return [found.name, *chain(found.values.get("reason"))] if found else []


def test_no_reason_is_recognised_as_another():
    """Each text in the file is recognised as its own reason."""
    stored = {name: str(translations(ENGLISH)[f"reason.{name}.says"]) for name in names("reason", "says")}
    filled_in = {name: re.sub(r"\{\w+\}", "Engage", text) for name, text in stored.items()}

    assert [
        (name, text) for name, text in filled_in.items() if getattr(recognise_reason(text), "name", None) != name
    ] == []


def test_every_code_that_our_code_names_has_an_entry():
    """By itself, or as an error name in a 200 response of Shopify."""
    assert [code for code in sorted(CODED) if not (error_name(code) or error_name(f"Shopify 200 {code}"))] == []


@pytest.mark.parametrize("system", [ENGAGE, SHOPIFY, STORAGE])
def test_every_status_of_every_system_has_an_entry(system):
    codes = [system, *(f"{system} {status}" for status in range(100, 600))]

    assert [code for code in codes if error_name(code) not in ADVICE_BY_ERROR] == []


def test_every_error_that_engage_names_has_an_entry_of_its_own():
    names = [*ENGAGE_ERRORS, NOT_FOUND_CODE]

    assert [name for name in names if error_name(f"Engage 400 {name}") != ERROR_BY_CODE[ENGAGE][name]] == []


def test_every_error_that_shopify_names_has_an_entry():
    names = [*SHOPIFY_ERRORS, *sorted(BULK_LIMIT_CODES)]

    assert [name for name in names if error_name(f"Shopify 200 {name}") not in ADVICE_BY_ERROR] == []


def test_every_error_of_shopifys_schema_for_our_mutations_has_an_entry():
    enums = [
        each for name, each in schema().type_map.items() if re.search("(Consent|BulkOperation).*Error.*Code", name)
    ]
    values = {value for each in enums if isinstance(each, GraphQLEnumType) for value in each.values}

    assert {"LIMIT_REACHED", "MISSING_ARGUMENT"} <= values
    assert [value for value in values if error_name(f"Shopify 200 {value}") not in ADVICE_BY_ERROR] == []


def test_every_error_has_its_texts_and_every_text_its_error():
    used = {name for known in ERROR_BY_CODE.values() for name in known.values()} | set(ERROR_BY_REASON.values())

    assert set(ADVICE_BY_ERROR) == used
    assert names("error", "title") == names("error", "means") == names("error", "todo") == set(ADVICE_BY_ERROR)


def test_every_advice_names_who_can_act():
    assert set(ADVICE_BY_REASON) == names("reason", "todo")
    assert all(
        advice.who is not Responsible.NOBODY for advice in (*ADVICE_BY_REASON.values(), *ADVICE_BY_ERROR.values())
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_advice_has_its_text(language):
    """With the buttons' names in the same language."""
    codes = [f"{system} {code}" for system, known in ERROR_BY_CODE.items() for code in known]
    reasons = [str(translations(ENGLISH)[f"reason.{name}.says"]) for name in ADVICE_BY_REASON]
    with use_language(language):
        todo = {explain(None, code.strip()).todo for code in codes if "xx" not in code}
        todo |= {explain(re.sub(r"\{\w+\}", "Engage", reason), None).todo for reason in reasons}
        buttons = {t("actions.retry"), t("imports.action.resume")}

    assert None not in todo
    assert {button for button in buttons if any(f"{button}”" in each for each in todo)} == buttons


# Unknown codes


@pytest.mark.parametrize(
    "code", [None, "", "Engaged 401", "401", "Shopify 200 NEVER_SEEN", "Klarna 500", "something else"]
)
def test_an_unknown_code_is_not_explained(code):
    assert error_name(code) is None


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("Engage 422 NeverSeen", "engage_invalid"),
        ("Engage 500 InvalidSystemConfiguration", "engage_setup"),
        ("Engage 401", "engage_key"),
        ("Engage", "engage_silent"),
        ("Shopify 200", "shopify_not_done"),
        ("Shopify 500 NEVER_SEEN", "shopify_down"),
        ("Shopify's storage 403", "storage"),
    ],
)
def test_an_errors_own_name_takes_precedence_over_its_status(code, error):
    assert error_name(code) == error


def test_an_outcome_without_explanation_is_shown_unchanged(client, shop):
    task = finish(shop, enqueue(shop), State.ERROR, reason="The moon is full.", code="moon")

    assert explain_outcome(read(shop, task)) is None
    assert "The moon is full." in get_page(client, f"/tasks/{task.id}").text
    assert "The moon is full." in get_page(client, f"/tasks/{task.id}/drawer").text
    assert "The moon is full." in get_page(client, "/tasks").text


# Explanations


def read(shop, task):
    found = Task.get_by_id(task.id)
    found.shop = Shop.get_by_id(shop.id)
    return found


def ended(shop, name="SyncOrder", **how):
    return explain_outcome(read(shop, finish(shop, enqueue(shop, name, shopify_id=1001), **how)))


def waiting(shop, reason, code=None, outcome=Outcome.FAILED):
    task = enqueue(shop, shopify_id=1001)
    claims.retry_in(claim(shop, task), timedelta(hours=1), outcome, reason, code)
    return explain_outcome(read(shop, task))


def test_an_error_has_a_meaning_advice_and_who_can_act(shop):
    raw = "Engage answered 400 InvalidPhoneNumber: The number is too short."
    explanation = ended(shop, "SyncContact", state=State.ERROR, reason=raw, code="Engage 400 InvalidPhoneNumber")

    assert explanation.title == "The phone number is not valid"
    assert explanation.advice.startswith("Correct the phone number of the customer in Shopify.")
    assert explanation.responsible == "You, in the shop"
    assert explanation.link == ("Open the customer in Shopify", "https://demo.myshopify.com/admin/customers/1001")
    assert explanation.message == raw


def test_an_error_that_is_retried_automatically_needs_no_action(shop):
    explanation = waiting(shop, "Engage answered 503.", "Engage 503")

    assert explanation.title == "Engage has a disturbance"
    assert (explanation.advice, explanation.responsible, explanation.link) == (t("advice.again"), None, None)


def test_an_error_that_is_given_up_needs_action(shop):
    explanation = ended(
        shop, state=State.ERROR, reason="Engage answered 503. Given up after 40 attempts.", code="Engage 503"
    )

    assert explanation.advice.endswith("press “Retry”.")
    assert explanation.responsible == "Voyado's support"


def test_a_rejected_key_needs_action_while_tasks_are_pending(shop):
    explanation = waiting(shop, "Engage answered 401.", "Engage 401", Outcome.WAITED)

    assert explanation.title == "Engage does not accept the API key"
    assert explanation.responsible == "Whoever looks after the integration"
    assert explanation.link.label == "Open Voyado Engage"


def test_a_key_that_cannot_be_sent_is_not_reported_as_unavailability(shop):
    explanation = waiting(shop, "The Engage API key has characters that no such key has.", "Engage", Outcome.WAITED)

    assert explanation.title == "Engage does not accept the API key"


def test_a_wait_needs_no_action(shop):
    explanation = waiting(shop, "Its customer is not a contact in Engage yet.", None, Outcome.WAITED)

    assert (explanation.title, explanation.advice, explanation.responsible) == (
        "Its customer is not a contact in Engage yet.",
        t("advice.wait"),
        None,
    )


def test_a_skip_says_that_nothing_needs_to_be_done(shop):
    explanation = ended(shop, reason="This is a test order, and Engage gets real sales only.")

    assert explanation.title == "Skipped: This is a test order, and Engage gets real sales only."
    assert (explanation.advice, explanation.responsible) == ("Nothing needs to be done.", None)


def test_a_skip_because_of_another_entity_advises_about_that_one(shop):
    no_key = str(translations(ENGLISH)["reason.no_key.says"])
    explanation = ended(shop, reason=f"Its customer is not in Engage: {no_key}")

    assert explanation.advice.startswith("Add an e-mail address or a phone number")
    assert explanation.responsible == "You, in the shop"


def test_a_reason_may_be_more_specific_than_its_code(shop):
    reason = "Shopify no longer has the result; begin a new import."
    explanation = ended(shop, "ProcessBulkImportData", state=State.ERROR, reason=reason, code="unusable")

    assert explanation.title == "What arrived cannot be used"
    assert explanation.advice == "Press “Go on” at the import: the query is made again."
    assert explanation.link == ("Go to the imports", "/imports")


def test_a_success_is_not_explained(shop):
    assert ended(shop) is None


def test_a_running_task_is_not_explained_by_its_last_attempt(shop):
    task = enqueue(shop)
    claims.retry_in(claim(shop, task), timedelta(0), Outcome.FAILED, "Engage answered 503.", "Engage 503")
    claim(shop, task)

    assert explain_outcome(read(shop, task)) is None


def test_an_uninstalled_shop_gets_no_link(shop):
    task = read(shop, finish(shop, enqueue(shop), State.ERROR, reason="No.", code="Engage 401"))
    task.shop.active = False

    assert explain_outcome(task).link is None


@pytest.mark.parametrize(
    ("name", "path"), [("SyncOrder", "/orders/1001"), ("SyncContact", "/customers/1001"), ("SyncRefund", "")]
)
def test_the_link_leads_to_what_the_task_is_about(shop, name, path):
    explanation = ended(shop, name, state=State.ERROR, reason="No.", code="Engage 422")

    assert explanation.link.url == f"https://demo.myshopify.com/admin{path}"


# Translation


def test_a_reason_of_ours_is_translated_with_its_values():
    with use_language("sv"):
        assert translate_reason("Engage did not answer within 25 seconds. Given up after 40 attempts.") == (
            "Engage svarade inte inom 25 sekunder. Gav upp efter 40 försök."
        )
        assert translate_reason("Its customer is not in Engage: The customer was deleted at Shopify.") == (
            "Kunden finns inte i Engage: Kunden har raderats i Shopify."
        )


def test_another_systems_message_is_left_unchanged():
    with use_language("sv"):
        assert (
            translate_reason("Engage answered 422 ValidationError: Bad {field}: no.")
            == "Engage svarade 422 ValidationError: Bad {field}: no."
        )
        assert translate_reason("Bad {field}") == "Bad {field}"


@pytest.mark.parametrize("sentence", ["", "Klarna answered 401.", "Engages did not answer.", "engage answered 401."])
def test_only_reasons_about_our_two_systems_are_recognised(sentence):
    assert recognise_reason(sentence) is None


def test_an_explanation_is_translated_and_the_message_is_not(client, shop):
    raw = "Engage answered 409 MultipleMatches: 2 contacts match."
    task = finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason=raw, code="Engage 409 MultipleMatches")

    for address in (f"/tasks/{task.id}?lang=sv", f"/tasks/{task.id}/drawer"):
        words = get_page(client, address, follow_redirects=True).text
        assert "Flera kontakter matchar" in words
        assert "Slå ihop kontakterna i Engage" in words
        assert "Vem Du, i butiken" in words
        assert raw in words
    assert "Fel Flera kontakter matchar" in get_page(client, "/tasks").text


def test_an_explanation_without_a_task_needs_no_database():
    assert explain(None, None) is None
    assert explain("No.", "Engage 401").title == "Engage does not accept the API key"
