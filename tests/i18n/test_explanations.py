"""Explanations of errors, skips and waits: what each means, what to do, and who can do it."""

from __future__ import annotations

import ast
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
    ERROR_BY_CODE,
    ERROR_BY_REASON,
    Responsible,
    error_name,
)
from i18n.explanations import explain, reason_text
from i18n.locale import ENGLISH, LANGUAGES, use_language
from models import Outcome, Shop, State, Task
from reasons import NO_ERROR, CallError, Cause, Code, Ending, ErrorCode, Reason, System
from sandbox import dev_servers
from sandbox.shopify.api.schema import schema
from taskqueue import claims
from tests.support.tasks.outcomes import cause_of, error_of
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

ROOMS = ("actors", "alerts", "clients", "mappings", "privacy", "sync", "taskqueue")


def names(family, of):
    found = [re.fullmatch(rf"{family}\.(\w+)\.{of}", key) for key in translations(ENGLISH)]
    return {each[1] for each in found if each}


# The tables are complete


def test_every_reason_has_its_sentence_and_every_sentence_its_reason():
    assert names("reason", "says") == set(Reason)
    assert names("ending", "says") == set(Ending)


def test_a_key_is_one_reason_or_error_only():
    assert not set(Reason) & set(CallError)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_has_the_same_parameters_in_every_language(language):
    """Those that the code gives it are known by one language only."""
    wanted, found = ({key: placeholders(text) for key, text in says(each)} for each in (ENGLISH, language))

    assert found == wanted


def says(language):
    texts = translations(language).items()
    return [(key, text) for key, text in texts if re.fullmatch(r"(reason|ending)\.\w+\.says", key)]


def placeholders(text):
    return sorted(re.findall(r"\{(\w+)\}", text))


def test_every_reason_is_raised_with_the_parameters_of_its_sentence():
    """Wherever the code makes a cause of a reason, it names every parameter of its sentence."""
    sentences = {name: set(placeholders(translations(ENGLISH)[f"reason.{name}.says"])) for name in Reason}
    raised = list(raised_reasons())

    assert {name for name, _, _ in raised} <= set(Reason)
    assert [(where, name) for name, given, where in raised if given is not None and given != sentences[name]] == []
    assert set(Reason) - {name for name, _, _ in raised} == set()


def raised_reasons():
    """(reason, names of its parameters or None where they cannot be read, place) of every mention in the app."""
    for path in sorted(path for room in ROOMS for path in (dev_servers.CHECKOUT / room).rglob("*.py")):
        tree = ast.parse(path.read_text())
        calls = {id(each.args[0]): each for each in ast.walk(tree) if isinstance(each, ast.Call) and each.args}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Reason":
                yield Reason[node.attr].value, _given(calls.get(id(node))), f"{path.name}:{node.lineno}"


def _given(call):
    """The parameters that are named in a call that makes a cause; None where it is no such call, or they vary."""
    name = ast.unparse(call.func).split(".")[-1] if call else ""
    makes_cause = name == "cause" or (name[:1].isupper() and name not in ("Cause", "Wait"))
    if not makes_cause or any(not each.arg for each in call.keywords):
        return None
    return {each.arg for each in call.keywords} - {"call", "code", "retry_after"}


def test_every_code_of_ours_has_an_entry():
    assert [code for code in Code if error_name(ErrorCode(code)) is None] == []


@pytest.mark.parametrize("system", System)
def test_every_status_of_every_system_has_an_entry(system):
    codes = [ErrorCode(system=system), *(ErrorCode(system=system, status=status) for status in range(100, 600))]

    assert [str(code) for code in codes if error_name(code) not in ADVICE_BY_ERROR] == []


def test_every_error_that_engage_names_has_an_entry_of_its_own():
    names = [*ENGAGE_ERRORS, NOT_FOUND_CODE]

    assert [name for name in names if named(System.ENGAGE, 400, name) != ERROR_BY_CODE[System.ENGAGE][name]] == []


def test_every_error_that_shopify_names_has_an_entry():
    names = [*SHOPIFY_ERRORS, *sorted(BULK_LIMIT_CODES)]

    assert [name for name in names if named(System.SHOPIFY, 200, name) not in ADVICE_BY_ERROR] == []


def test_every_error_of_shopifys_schema_for_our_mutations_has_an_entry():
    enums = [
        each for name, each in schema().type_map.items() if re.search("(Consent|BulkOperation).*Error.*Code", name)
    ]
    values = {value for each in enums if isinstance(each, GraphQLEnumType) for value in each.values}

    assert {"LIMIT_REACHED", "MISSING_ARGUMENT"} <= values
    assert [value for value in values if named(System.SHOPIFY, 200, value) not in ADVICE_BY_ERROR] == []


def named(system, status, code):
    return error_name(ErrorCode(code, system, status))


def test_every_error_has_its_texts_and_every_text_its_error():
    used = {name for known in ERROR_BY_CODE.values() for name in known.values()} | set(ERROR_BY_REASON.values())

    assert set(ADVICE_BY_ERROR) == used >= set(CallError)
    assert names("error", "title") == names("error", "means") == names("error", "todo") == set(ADVICE_BY_ERROR)


def test_every_advice_names_who_can_act():
    assert set(ADVICE_BY_REASON) == names("reason", "todo")
    assert all(
        advice.who is not Responsible.NOBODY for advice in (*ADVICE_BY_REASON.values(), *ADVICE_BY_ERROR.values())
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_advice_has_its_text(language):
    """With the buttons' names in the same language."""
    with use_language(language):
        todo = {explain(Cause(error), NO_ERROR).todo for error in CallError}
        todo |= {explain(None, ErrorCode(code)).todo for code in Code}
        todo |= {
            t(f"reason.{reason}.todo", retry=t("actions.retry"), resume=t("imports.action.resume"), replay="")
            for reason in ADVICE_BY_REASON
        }
        buttons = {t("actions.retry"), t("imports.action.resume")}

    assert None not in todo
    assert {button for button in buttons if any(f"{button}”" in each for each in todo)} == buttons


# Unknown codes


@pytest.mark.parametrize("code", [NO_ERROR, ErrorCode("Engaged 401"), ErrorCode("NEVER_SEEN", System.SHOPIFY, 200)])
def test_an_unknown_code_is_not_explained(code):
    assert error_name(code) is None


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("Engage 422 NeverSeen", CallError.ENGAGE_VALIDATION_ERROR),
        ("Engage 500 InvalidSystemConfiguration", CallError.ENGAGE_MISCONFIGURED),
        ("Engage 401", CallError.ENGAGE_KEY_REJECTED),
        ("Engage", CallError.ENGAGE_NO_RESPONSE),
        ("Shopify 200", CallError.SHOPIFY_INCOMPLETE),
        ("Shopify 500 NEVER_SEEN", CallError.SHOPIFY_SERVER_ERROR),
        ("Shopify's storage 403", CallError.SHOPIFY_STORAGE),
    ],
)
def test_an_errors_own_name_takes_precedence_over_its_status(code, error):
    assert error_name(error_of(code)) == error
    assert str(error_of(code)) == code


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
    claims.retry_in(claim(shop, task), timedelta(hours=1), outcome, cause_of(reason), error_of(code))
    return explain_outcome(read(shop, task))


def test_an_error_has_a_meaning_advice_and_who_can_act(shop):
    raw = "Engage answered 400 InvalidPhoneNumber: The number is too short."
    explanation = ended(shop, "SyncContact", state=State.ERROR, reason=raw, code="Engage 400 InvalidPhoneNumber")

    assert explanation.title == "The phone number is not valid"
    assert explanation.advice.startswith("Correct the phone number of the customer in Shopify.")
    assert explanation.responsible == "You, in the shop"
    assert explanation.link == ("Open the customer in Shopify", "https://demo.myshopify.com/admin/customers/1001")
    assert explanation.message == "Engage answered 400 InvalidPhoneNumber: …"


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
    no_key = str(translations(ENGLISH)["reason.customer_no_email_or_phone.says"])
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
    claims.retry_in(claim(shop, task), timedelta(0), Outcome.FAILED, cause_of("Engage answered 503."))
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


def test_a_cause_is_translated_with_its_parameters():
    with use_language("sv"):
        assert reason_text(cause_of("Engage did not answer within 25 seconds. Given up after 40 attempts.")) == (
            "Engage svarade inte inom 25 sekunder. Gav upp efter 40 försök."
        )
        assert reason_text(cause_of("Its customer is not in Engage: The customer was deleted at Shopify.")) == (
            "Kunden finns inte i Engage: Kunden har raderats i Shopify."
        )


def test_a_parameter_that_another_version_did_not_store_is_left_out():
    assert reason_text(Cause(Reason.INTERNAL_ERROR)) == "Our own code failed (…)."
    assert reason_text(Cause(Reason.INTERNAL_ERROR).ended(Ending.GIVEN_UP)) == (
        "Our own code failed (…). Given up after … attempts."
    )


def test_another_systems_message_is_left_unchanged():
    with use_language("sv"):
        assert (
            reason_text(cause_of("Engage answered 422 ValidationError: Bad {field}: no."), revealed=True)
            == "Engage svarade 422 ValidationError: Bad {field}: no."
        )
        assert reason_text(Cause("Bad {field}"), revealed=True) == "Bad {field}"


def test_another_systems_message_is_shown_only_when_revealed():
    message = cause_of("Engage answered 409 MultipleMatches: Anna Andersson has it.")
    of_older_version = Cause("anna@example.com has it")

    assert reason_text(message) == "Engage answered 409 MultipleMatches: …"
    assert reason_text(message.ended(Ending.GIVEN_UP, attempts=2)).startswith("Engage answered 409 MultipleMatches: …")
    assert reason_text(of_older_version) == "… has it"


def test_an_explanation_is_translated_and_another_systems_message_is_not(client, shop):
    raw = "Engage answered 409 MultipleMatches: 2 contacts match."
    task = finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason=raw, code="Engage 409 MultipleMatches")

    for address in (f"/tasks/{task.id}?lang=sv", f"/tasks/{task.id}/drawer"):
        words = get_page(client, address, follow_redirects=True).text
        assert "Flera kontakter matchar" in words
        assert "Slå ihop kontakterna i Engage" in words
        assert "Vem Du, i butiken" in words
        assert "Engage svarade 409 MultipleMatches: …" in words
    assert "Fel Flera kontakter matchar" in get_page(client, "/tasks").text


def test_an_explanation_without_a_task_needs_no_database():
    assert explain(None, NO_ERROR) is None
    assert explain(Cause("No."), error_of("Engage 401")).title == "Engage does not accept the API key"
