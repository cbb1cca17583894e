"""Webhooks of the sandbox's Engage: signed as Svix does, retried unless answered with 2xx, one for each change."""

import base64
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import orjson
import pytest
import requests

from clients import Unanswered
from clients.engage.client import EngageClient
from clients.engage.webhook_encryption import decrypt_payload
from clients.engage.webhooks import BadSignature, WebhookEvent, read_event, verify_signature
from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http.server import Engage
from sandbox.engage.webhooks.message import SvixEndpoint, SvixMessage
from sandbox.engage.webhooks.svix import SCHEDULE, SvixFaults
from sandbox.serve import serving

KEY = "sandbox-key"
SECRET = "whsec_" + base64.b64encode(b"the secret of this endpoint").decode()
NEXT_SECRET = "whsec_" + base64.b64encode(b"the one after it").decode()
ENCRYPTION_KEY = "0123456789abcdefghijABCDEFGHIJKL"
ELIN = {"email": "elin@example.test", "firstName": "Elin"}
UNKNOWN_ID = "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa"


class WebhookReceiver:
    """Receives webhooks: keeps each, and answers with the next of `statuses`, then with 200."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.append((dict(self.headers), body))
                self.send_response(outer.statuses.pop(0) if outer.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/engage/token"

    def ids(self) -> list[str]:
        return [verify_signature(headers, body, [SECRET]) for headers, body in self.received]

    def events(self) -> list[WebhookEvent]:
        return [read_event(body) for _, body in self.received]


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

    def subscribe(self, app: WebhookReceiver, **options: object) -> None:
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
    """A contact from before the subscription."""
    contact_id = tenant.contact()
    tenant.subscribe(app)
    return contact_id


# Events


def test_an_unsubscribe_is_sent_to_the_app(tenant, app, elin):
    tenant.client.update_preferences(elin, {"acceptsEmail": True})
    tenant.wait_until_idle()
    app.received.clear()

    tenant.engage.set_preferences(elin, acceptsEmail=False)
    tenant.wait_until_idle()

    (event,), ((_, body),) = app.events(), app.received
    assert (event.event_type, event.contact_id) == ("contact.acceptsEmail.changed", elin)
    assert b'"acceptsEmail":false' in body.replace(b" ", b"")
    assert len(app.ids()) == 1


def test_with_a_key_the_payload_is_encrypted_and_the_rest_is_not(tenant, app, elin):
    tenant.tenant.encryption_key = ENCRYPTION_KEY

    tenant.engage.set_preferences(elin, acceptsEmail=True)
    tenant.wait_until_idle()

    ((headers, body),) = app.received
    envelope = orjson.loads(body)
    assert verify_signature(headers, body, [SECRET])
    assert (envelope["eventType"], envelope["isEncrypted"]) == ("contact.acceptsEmail.changed", True)
    assert elin.encode() not in body
    assert decrypt_payload(envelope["payload"], ENCRYPTION_KEY) == {"contactId": elin, "acceptsEmail": True}


def test_encryption_can_be_turned_on_and_off_over_http(tenant, app, elin):
    for key in (ENCRYPTION_KEY, None):
        requests.post(f"{tenant.base}/encryption", json={"key": key}, timeout=5)
        tenant.client.update_contact(elin, {"city": key or "Umeå"})
        tenant.wait_until_idle()

    assert [orjson.loads(body)["isEncrypted"] for _, body in app.received] == [True, False]


@pytest.mark.parametrize("wanted", ["{", "[]", "{}", '{"key": 7}', '{"key": "short"}', '{"key": "å"}'])
def test_an_invalid_encryption_key_is_refused(tenant, wanted):
    assert requests.post(f"{tenant.base}/encryption", data=wanted.encode(), timeout=5).status_code == 422


def test_preferences_can_be_set_over_http(tenant, app, elin):
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
def test_each_change_sends_its_event_and_no_other(tenant, app, elin, what):
    change, kinds = CHANGES[what]

    change(tenant.client, elin)
    tenant.wait_until_idle()

    assert sorted(event.event_type for event in app.events()) == kinds
    assert {event.contact_id for event in app.events()} <= {elin}


def test_a_preference_set_twice_sends_one_event(tenant, app, elin):
    for _ in range(2):
        requests.post(
            f"{tenant.base}/api/v3/contacts/{elin}/preferences/acceptsEmail",
            json={"value": True},
            headers={"apikey": KEY},
            timeout=5,
        )
    tenant.wait_until_idle()

    assert [event.event_type for event in app.events()] == ["contact.acceptsEmail.changed"]


def test_a_consent_given_again_sends_no_event(tenant, app):
    account = {"id": "account", "value": True, "comment": "first"}
    contact_id = tenant.contact(consents=[account])
    tenant.subscribe(app)

    tenant.client.update_contact(contact_id, {"consents": [account | {"comment": "again"}]})
    tenant.wait_until_idle()

    assert app.received == []


def test_a_new_contact_sends_one_event_without_preferences(tenant, app):
    tenant.subscribe(app)

    contact_id = tenant.contact(preferences={"acceptsEmail": True})
    tenant.wait_until_idle()

    assert [(event.event_type, event.contact_id) for event in app.events()] == [("contact.created", contact_id)]


def test_a_deleted_contact_sends_an_event(tenant, app, elin):
    requests.delete(
        f"{tenant.base}/api/v3/contacts/{elin}",
        headers={"apikey": KEY, "Content-Type": "application/json"},
        timeout=5,
    )
    tenant.wait_until_idle()

    assert [(event.event_type, event.contact_id) for event in app.events()] == [("contact.deleted", elin)]


def test_a_call_that_took_effect_without_response_sends_its_event(tenant, app, elin):
    tenant.engage.script(f"PATCH .*{elin}$", [Fault.RESET])

    with pytest.raises(Unanswered):
        tenant.client.update_preferences(elin, {"acceptsEmail": True})
    tenant.wait_until_idle()

    assert [event.event_type for event in app.events()] == ["contact.acceptsEmail.changed"]


def test_only_subscribed_event_types_are_sent(tenant, app):
    tenant.subscribe(app, kinds=["contact.acceptsEmail.changed"])

    contact_id = tenant.contact()
    tenant.engage.set_preferences(contact_id, acceptsEmail=True, acceptsSms=True)
    tenant.wait_until_idle()

    assert [event.event_type for event in app.events()] == ["contact.acceptsEmail.changed"]


@pytest.mark.parametrize("contact_id", [UNKNOWN_ID, "no id"])
def test_preferences_of_an_unknown_contact_are_an_error(tenant, contact_id):
    with pytest.raises(LookupError):
        tenant.engage.set_preferences(contact_id, acceptsEmail=False)


@pytest.mark.parametrize("wanted", [{"acceptsFax": True}, {"acceptsEmail": "no"}])
def test_an_invalid_preference_is_refused_and_sends_no_event(tenant, app, elin, wanted):
    answer = requests.post(f"{tenant.base}/prefer", json={"contactId": elin} | wanted, timeout=5)
    tenant.wait_until_idle()

    assert (answer.status_code, app.received) == (422, [])


@pytest.mark.parametrize(("body", "status"), [("[]", 422), ("{", 422), (f'{{"contactId": "{UNKNOWN_ID}"}}', 404)])
def test_preferences_of_an_unknown_contact_are_refused_over_http(tenant, body, status):
    assert requests.post(f"{tenant.base}/prefer", data=body, timeout=5).status_code == status


# Delivery


def test_during_a_rotation_both_signatures_are_sent(tenant, app):
    tenant.tenant.webhooks.subscribe(app.url, SECRET, NEXT_SECRET)

    tenant.contact()
    tenant.wait_until_idle()

    ((headers, body),) = app.received
    assert verify_signature(headers, body, [SECRET]) == verify_signature(headers, body, [NEXT_SECRET])
    with pytest.raises(BadSignature):
        verify_signature(headers, body + b" ", [SECRET, NEXT_SECRET])


def test_a_failed_message_is_retried_with_the_same_id(tenant, app):
    app.statuses = [500, 404, 302]
    tenant.subscribe(app)

    tenant.contact()
    tenant.wait_until_idle()

    assert len(app.received) == 4
    assert len(set(app.ids())) == 1
    (message,) = tenant.tenant.webhooks.messages()
    assert (message.state, message.attempts, message.status) == ("delivered", 4, 200)


def test_a_message_fails_after_eight_attempts(tenant, app):
    app.statuses = [500] * 20
    tenant.subscribe(app)

    tenant.contact()
    tenant.wait_until_idle()

    (message,) = tenant.tenant.webhooks.messages()
    assert (len(app.received), message.state) == (8, "failed")


def test_svixs_own_schedule_has_eight_attempts_over_a_day():
    assert len(SCHEDULE) == 7
    assert 24 < sum(SCHEDULE) / 3600 < 28


def test_each_attempt_is_signed_at_its_own_time():
    message = SvixMessage("msg_1", "contact.created", SvixEndpoint("http://127.0.0.1", (SECRET,)), body=b"{}")

    first, second = message.headers(1_000), message.headers(2_000)

    assert (first["svix-id"], first["svix-timestamp"]) == ("msg_1", "1000")
    assert (second["svix-id"], second["svix-timestamp"]) == ("msg_1", "2000")
    assert first["svix-signature"] != second["svix-signature"]


def test_two_events_have_two_ids(tenant, app):
    tenant.subscribe(app)

    for name in ("a", "b"):
        tenant.contact(email=f"{name}@example.test")
    tenant.wait_until_idle()

    assert len(set(app.ids())) == 2


def test_a_message_can_be_redelivered(tenant, app):
    tenant.subscribe(app)
    tenant.contact()
    tenant.wait_until_idle()

    tenant.tenant.webhooks.redeliver(app.ids()[0])
    tenant.wait_until_idle()

    assert len(app.received) == 2
    assert len(set(app.ids())) == 1


def test_an_unknown_message_cannot_be_redelivered(tenant):
    with pytest.raises(LookupError):
        tenant.tenant.webhooks.redeliver("msg_0")


def test_duplicates_are_sent_when_configured(tenant, app):
    tenant.tenant.webhooks.faults = SvixFaults(duplicates=1.0)
    tenant.subscribe(app)

    tenant.contact()
    tenant.wait_until_idle()

    assert len(app.received) == 2
    assert len(set(app.ids())) == 1


def test_late_messages_arrive_after_newer_ones_when_configured(tenant, app):
    tenant.tenant.webhooks.faults = SvixFaults(late=0.5, late_seconds=0.5)
    tenant.subscribe(app, kinds=["contact.created"])

    made = [tenant.contact(email=f"{number}@example.test") for number in range(20)]
    tenant.wait_until_idle()

    received = [event.contact_id for event in app.events()]
    assert sorted(received) == sorted(made)
    assert received != made


def test_without_a_receiver_only_the_message_fails(tenant):
    tenant.tenant.webhooks.subscribe("http://127.0.0.1:1/", SECRET)

    assert tenant.contact()
    tenant.wait_until_idle()

    (message,) = tenant.tenant.webhooks.messages()
    assert (message.state, message.status) == ("failed", None)


def test_a_subscription_can_be_made_and_changed_over_http(tenant, app):
    wanted = {"url": app.url, "secret": SECRET, "kinds": ["contact.deleted"]}
    requests.post(f"{tenant.base}/webhooks", json=wanted, timeout=5)
    tenant.contact()
    requests.post(f"{tenant.base}/webhooks", json=wanted | {"kinds": []}, timeout=5)
    requests.post(f"{tenant.base}/webhooks", json=wanted | {"kinds": []}, timeout=5)
    tenant.contact(email="second@example.test")
    tenant.wait_until_idle()

    (sent,) = requests.get(f"{tenant.base}/webhooks", timeout=5).json()
    assert (sent["kind"], sent["state"], sent["url"]) == ("contact.created", "delivered", app.url)
    assert len(app.ids()) == 1


@pytest.mark.parametrize("wanted", ["{", "[]", '{"url": "http://x"}', '{"url": "http://x", "secret": "whsec_?"}'])
def test_an_invalid_subscription_is_refused(tenant, wanted):
    assert requests.post(f"{tenant.base}/webhooks", data=wanted, timeout=5).status_code == 422
