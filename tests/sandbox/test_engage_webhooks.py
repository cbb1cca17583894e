"""The sandbox's Engage tells of its contacts: signed for real, again when not taken, and no more than happened."""

import base64
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest
import requests

from clients import Unanswered
from clients.engage.client import EngageClient
from clients.engage.webhooks import BadSignature, WebhookEvent, read_event, verify_signature
from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http.server import Engage
from sandbox.engage.webhooks.message import SvixEndpoint, SvixMessage
from sandbox.engage.webhooks.svix import SCHEDULE, SvixFaults
from sandbox.serve import serving

KEY = "sandbox-key"
SECRET = "whsec_" + base64.b64encode(b"the secret of this endpoint").decode()
NEXT_SECRET = "whsec_" + base64.b64encode(b"the one after it").decode()
ELIN = {"email": "elin@example.test", "firstName": "Elin"}
NOBODY = "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa"


class WebhookReceiver:
    """Who is told: keeps what comes, and answers with the next of `statuses`, then with 200."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.heard.append((dict(self.headers), body))
                self.send_response(outer.statuses.pop(0) if outer.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/engage/token"

    def ids(self) -> list[str]:
        return [verify_signature(headers, body, [SECRET]) for headers, body in self.heard]

    def events(self) -> list[WebhookEvent]:
        return [read_event(body) for _, body in self.heard]


@pytest.fixture
def app():
    app = WebhookReceiver()
    thread = threading.Thread(target=app.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield app
    app.server.shutdown()
    app.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def running():
    """One server for all tests; each test has a tenant of its own."""
    engage = Engage(faults=Faults(), calls_a_second=10_000, webhook_schedule=(0.01,) * 7)
    with serving(engage.app) as base:
        yield engage, base
    engage.close()


class ConnectedTenant:
    def __init__(self, engage: Engage, base: str, name: str) -> None:
        self.engage, self.base, self.name = engage, f"{base}/{name}", name
        self.tenant = engage.tenant(name)
        self.client = EngageClient(self.base, KEY, deadline=0.5)

    def tell(self, app: WebhookReceiver, **options: object) -> None:
        self.tenant.webhooks.subscribe(app.url, SECRET, **options)

    def contact(self, **fields: object) -> str:
        return self.client.create_contact(ELIN | fields, source="Shopify")

    def wait_until_idle(self) -> None:
        assert self.tenant.webhooks.wait_until_idle(5)


@pytest.fixture
def tenant(running):
    engage, base = running
    return ConnectedTenant(engage, base, f"tenant-{uuid4()}")


@pytest.fixture
def elin(tenant, app) -> str:
    """A contact of before anyone listened."""
    contact_id = tenant.contact()
    tenant.tell(app)
    return contact_id


# What is told


def test_a_click_on_unsubscribe_is_told_to_the_app(tenant, app, elin):
    tenant.client.update_preferences(elin, {"acceptsEmail": True})
    tenant.wait_until_idle()
    app.heard.clear()

    tenant.engage.set_preferences(elin, acceptsEmail=False)
    tenant.wait_until_idle()

    (event,), ((_, body),) = app.events(), app.heard
    assert (event.event_type, event.contact_id) == ("contact.acceptsEmail.changed", elin)
    assert b'"acceptsEmail":false' in body.replace(b" ", b"")
    assert len(app.ids()) == 1


def test_a_click_can_come_over_http(tenant, app, elin):
    answer = requests.post(f"{tenant.base}/prefer", json={"contactId": elin, "acceptsSms": True}, timeout=5)
    tenant.wait_until_idle()

    assert answer.json()["acceptsSms"] is True
    assert [event.event_type for event in app.events()] == ["contact.acceptsSms.changed"]


CHANGES: dict[str, tuple[Callable[[EngageClient, str], object], list[str]]] = {
    "a field": (lambda client, key: client.update_contact(key, {"city": "Umeå"}), ["contact.updated"]),
    "the type": (lambda client, key: client.update_contact_type(key, "Contact"), ["contact.updated"]),
    "a preference": (
        lambda client, key: client.update_preferences(key, {"acceptsPostal": True}),
        ["contact.acceptsPostal.changed"],
    ),
    "several": (
        lambda client, key: client.update_contact(
            key, {"city": "Umeå", "preferences": {"acceptsEmail": True, "acceptsSms": True}}
        ),
        ["contact.acceptsEmail.changed", "contact.acceptsSms.changed", "contact.updated"],
    ),
    "a consent": (
        lambda client, key: client.update_contact(key, {"consents": [{"id": "account", "value": True}]}),
        ["contact.consent.changed"],
    ),
    "nothing": (
        lambda client, key: client.update_contact(key, ELIN | {"preferences": {"acceptsEmail": False}}),
        [],
    ),
    "the same type": (lambda client, key: client.update_contact_type(key, "Member"), []),
    "an unknown field": (lambda client, key: client.update_contact(key, {"shoeSize": 43}), []),
}


@pytest.mark.parametrize("what", CHANGES)
def test_an_event_is_what_changed_and_only_that(tenant, app, elin, what):
    change, kinds = CHANGES[what]

    change(tenant.client, elin)
    tenant.wait_until_idle()

    assert sorted(event.event_type for event in app.events()) == kinds
    assert {event.contact_id for event in app.events()} <= {elin}


def test_a_preference_told_twice_is_an_event_once(tenant, app, elin):
    for _ in range(2):
        requests.post(
            f"{tenant.base}/api/v3/contacts/{elin}/preferences/acceptsEmail",
            json={"value": True},
            headers={"apikey": KEY},
            timeout=5,
        )
    tenant.wait_until_idle()

    assert [event.event_type for event in app.events()] == ["contact.acceptsEmail.changed"]


def test_a_consent_given_again_is_not_told(tenant, app):
    account = {"id": "account", "value": True, "comment": "first"}
    contact_id = tenant.contact(consents=[account])
    tenant.tell(app)

    tenant.client.update_contact(contact_id, {"consents": [account | {"comment": "again"}]})
    tenant.wait_until_idle()

    assert app.heard == []


def test_a_new_contact_is_told_without_its_preferences(tenant, app):
    tenant.tell(app)

    contact_id = tenant.contact(preferences={"acceptsEmail": True})
    tenant.wait_until_idle()

    assert [(event.event_type, event.contact_id) for event in app.events()] == [("contact.created", contact_id)]


def test_a_deleted_contact_is_told(tenant, app, elin):
    requests.delete(
        f"{tenant.base}/api/v3/contacts/{elin}",
        headers={"apikey": KEY, "Content-Type": "application/json"},
        timeout=5,
    )
    tenant.wait_until_idle()

    assert [(event.event_type, event.contact_id) for event in app.events()] == [("contact.deleted", elin)]


def test_a_call_that_took_effect_is_told_though_it_never_was_answered(tenant, app, elin):
    tenant.engage.script(f"PATCH .*{elin}$", [Fault.RESET])

    with pytest.raises(Unanswered):
        tenant.client.update_preferences(elin, {"acceptsEmail": True})
    tenant.wait_until_idle()

    assert [event.event_type for event in app.events()] == ["contact.acceptsEmail.changed"]


def test_only_the_kinds_that_are_wanted_are_told(tenant, app):
    tenant.tell(app, kinds=["contact.acceptsEmail.changed"])

    contact_id = tenant.contact()
    tenant.engage.set_preferences(contact_id, acceptsEmail=True, acceptsSms=True)
    tenant.wait_until_idle()

    assert [event.event_type for event in app.events()] == ["contact.acceptsEmail.changed"]


@pytest.mark.parametrize("contact_id", [NOBODY, "no id"])
def test_nobody_cannot_change_their_mind(tenant, contact_id):
    with pytest.raises(LookupError):
        tenant.engage.set_preferences(contact_id, acceptsEmail=False)


@pytest.mark.parametrize("wanted", [{"acceptsFax": True}, {"acceptsEmail": "no"}])
def test_a_preference_that_is_none_is_refused_and_not_told(tenant, app, elin, wanted):
    answer = requests.post(f"{tenant.base}/prefer", json={"contactId": elin} | wanted, timeout=5)
    tenant.wait_until_idle()

    assert (answer.status_code, app.heard) == (422, [])


@pytest.mark.parametrize(("body", "status"), [("[]", 422), ("{", 422), (f'{{"contactId": "{NOBODY}"}}', 404)])
def test_a_click_of_nobody_is_refused(tenant, body, status):
    assert requests.post(f"{tenant.base}/prefer", data=body, timeout=5).status_code == status


# How it is told


def test_while_a_secret_is_replaced_both_signatures_come(tenant, app):
    tenant.tenant.webhooks.subscribe(app.url, SECRET, NEXT_SECRET)

    tenant.contact()
    tenant.wait_until_idle()

    ((headers, body),) = app.heard
    assert verify_signature(headers, body, [SECRET]) == verify_signature(headers, body, [NEXT_SECRET])
    with pytest.raises(BadSignature):
        verify_signature(headers, body + b" ", [SECRET, NEXT_SECRET])


def test_what_was_not_taken_comes_again_under_the_same_id(tenant, app):
    app.statuses = [500, 404, 302]
    tenant.tell(app)

    tenant.contact()
    tenant.wait_until_idle()

    assert len(app.heard) == 4
    assert len(set(app.ids())) == 1
    (message,) = tenant.tenant.webhooks.messages()
    assert (message.state, message.attempts, message.status) == ("delivered", 4, 200)


def test_after_eight_attempts_it_is_given_up(tenant, app):
    app.statuses = [500] * 20
    tenant.tell(app)

    tenant.contact()
    tenant.wait_until_idle()

    (message,) = tenant.tenant.webhooks.messages()
    assert (len(app.heard), message.state) == (8, "failed")


def test_svixs_own_schedule_has_eight_attempts_over_a_day():
    assert len(SCHEDULE) == 7
    assert 24 < sum(SCHEDULE) / 3600 < 28


def test_each_attempt_is_signed_at_its_own_time():
    message = SvixMessage("msg_1", "contact.created", SvixEndpoint("http://127.0.0.1", (SECRET,)), b"{}")

    first, second = message.headers(1_000), message.headers(2_000)

    assert (first["svix-id"], first["svix-timestamp"]) == ("msg_1", "1000")
    assert (second["svix-id"], second["svix-timestamp"]) == ("msg_1", "2000")
    assert first["svix-signature"] != second["svix-signature"]


def test_two_events_have_two_ids(tenant, app):
    tenant.tell(app)

    for name in ("a", "b"):
        tenant.contact(email=f"{name}@example.test")
    tenant.wait_until_idle()

    assert len(set(app.ids())) == 2


def test_a_message_can_be_sent_again_by_hand(tenant, app):
    tenant.tell(app)
    tenant.contact()
    tenant.wait_until_idle()

    tenant.tenant.webhooks.redeliver(app.ids()[0])
    tenant.wait_until_idle()

    assert len(app.heard) == 2
    assert len(set(app.ids())) == 1


def test_a_message_that_was_not_sent_cannot_be_sent_again(tenant):
    with pytest.raises(LookupError):
        tenant.tenant.webhooks.redeliver("msg_0")


def test_duplicates_come_when_asked_for(tenant, app):
    tenant.tenant.webhooks.faults = SvixFaults(duplicates=1.0)
    tenant.tell(app)

    tenant.contact()
    tenant.wait_until_idle()

    assert len(app.heard) == 2
    assert len(set(app.ids())) == 1


def test_late_ones_come_after_newer_ones_when_asked_for(tenant, app):
    tenant.tenant.webhooks.faults = SvixFaults(late=0.5, late_seconds=0.5)
    tenant.tell(app, kinds=["contact.created"])

    made = [tenant.contact(email=f"{number}@example.test") for number in range(20)]
    tenant.wait_until_idle()

    told = [event.contact_id for event in app.events()]
    assert sorted(told) == sorted(made)
    assert told != made


def test_nobody_listening_loses_nothing_but_the_webhook(tenant):
    tenant.tenant.webhooks.subscribe("http://127.0.0.1:1/", SECRET)

    assert tenant.contact()
    tenant.wait_until_idle()

    (message,) = tenant.tenant.webhooks.messages()
    assert (message.state, message.status) == ("failed", None)


def test_a_subscription_can_come_over_http_and_be_changed(tenant, app):
    wanted = {"url": app.url, "secret": SECRET, "kinds": ["contact.deleted"]}
    requests.post(f"{tenant.base}/webhooks", json=wanted, timeout=5)
    tenant.contact()
    requests.post(f"{tenant.base}/webhooks", json=wanted | {"kinds": []}, timeout=5)
    requests.post(f"{tenant.base}/webhooks", json=wanted | {"kinds": []}, timeout=5)
    tenant.contact(email="second@example.test")
    tenant.wait_until_idle()

    (told,) = requests.get(f"{tenant.base}/webhooks", timeout=5).json()
    assert (told["kind"], told["state"], told["url"]) == ("contact.created", "delivered", app.url)
    assert len(app.ids()) == 1


@pytest.mark.parametrize("wanted", ["{", "[]", '{"url": "http://x"}', '{"url": "http://x", "secret": "whsec_?"}'])
def test_a_subscription_that_makes_no_sense_is_refused(tenant, wanted):
    assert requests.post(f"{tenant.base}/webhooks", data=wanted, timeout=5).status_code == 422
