"""Show a tenant's calls, receipts, mails, webhooks and log, and set faults. The real Engage has none of these."""

from __future__ import annotations

from datetime import datetime
from html import escape

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sandbox.engage.call_log import CallLog, LoggedCall
from sandbox.engage.faults import Faults
from sandbox.engage.http.messages import SANDBOX_HEADER, Refusal, dump
from sandbox.engage.tenant import Tenant
from sandbox.engage.webhooks.encryption import encrypt

DEFAULT_LIMIT = 1000  # calls shown unless `limit` says otherwise
ROW = (
    "<tr><td>{at:%H:%M:%S.%f}<td>{status}<td>{fault}<td>{method}<td>{path}<td><pre>{sent}</pre><td><pre>{answer}</pre>"
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sandbox Engage: {tenant}</title>
<style>body{{font:14px system-ui}}table{{border-collapse:collapse}}td,th{{border:1px solid #ddd;padding:4px;
vertical-align:top;text-align:left}}pre{{margin:0;max-width:36em;white-space:pre-wrap;overflow-wrap:anywhere}}</style>
<h1>Calls to the sandbox Engage of {tenant}</h1>
<p>The newest {shown} of {total}, newest first. As JSON: send <code>Accept: application/json</code>.
<table><tr><th>Time (UTC)<th>Status<th>Fault<th>Method<th>Path<th>Sent<th>Answered{rows}</table>"""


async def calls(request: Request) -> Response:
    """`?path=` a text within the path, `?since=` an instant, `?limit=`; HTML for browsers, else JSON."""
    call_log: CallLog = request.app.state.calls
    tenant, query = request.path_params["tenant"], request.query_params
    try:
        since = datetime.fromisoformat(query["since"]).astimezone() if "since" in query else None
        limit = max(0, int(query.get("limit", DEFAULT_LIMIT)))
    except ValueError:
        return _json({"message": "`since` must be an ISO date and time, `limit` a number."}, 400)
    found = call_log.newest(tenant, path=query.get("path", ""), since=since, limit=limit)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_page(tenant, found, len(call_log)))
    return _json([call.as_dict() for call in found])


async def receipts(request: Request) -> Response:
    """Applied, queued, duplicate and dropped receipts, and how many of each."""
    return _json(_tenant(request).receipts_report())


async def log(request: Request) -> Response:
    """The integration log, oldest first."""
    return _json(list(_tenant(request).log))


async def mails(request: Request) -> Response:
    """The accepted order notifications: each is a mail."""
    return _json(_tenant(request).orders.report())


async def webhooks(request: Request) -> Response:
    """The messages sent, oldest first; a POST of {"url", "secret", "kinds"} subscribes a URL."""
    svix = _tenant(request).webhooks
    if request.method == "POST":
        try:
            wanted = orjson.loads(await request.body())
            svix.subscribe(wanted["url"], wanted["secret"], kinds=wanted.get("kinds", ()))
        except (ValueError, TypeError, KeyError, AttributeError):
            return _json({"message": "A subscription is an object with url, secret and, if you like, kinds."}, 422)
    return _json([message.as_dict() for message in svix.messages()])


async def encryption(request: Request) -> Response:
    """Encrypt webhooks from now on, by a POST of {"key": "..."}; with null no longer."""
    try:
        key = orjson.loads(await request.body())["key"]
        if key is not None:
            encrypt(b"", key)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _json({"message": "A key has 32 letters and digits."}, 422)
    _tenant(request).encryption_key = key
    return _json({"isEncrypted": key is not None})


async def set_preferences(request: Request) -> Response:
    """Set a contact's preferences, by a POST of {"contactId": "...", "acceptsEmail": false}."""
    tenant = _tenant(request)
    try:
        wanted = orjson.loads(await request.body())
        with tenant.lock:
            return _json(tenant.contacts.set_preferences(wanted.pop("contactId"), wanted)["preferences"])
    except Refusal as refusal:
        return _json({"message": str(refusal)}, refusal.response.status)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _json({"message": "Say whose preference it is (contactId), and what it is now."}, 422)


async def faults(request: Request) -> Response:
    """The rates of faults; a POST of a JSON object replaces them all."""
    tenant = _tenant(request)
    if request.method == "POST":
        try:
            tenant.faults = Faults.of(orjson.loads(await request.body()))
        except (ValueError, AttributeError) as error:
            return _json({"message": str(error)}, 422)
    return _json(tenant.faults.as_dict())


def _page(tenant: str, found: list[LoggedCall], total: int) -> str:
    rows = "\n".join(_row(call) for call in found)
    return PAGE.format(tenant=escape(tenant), shown=len(found), total=total, rows=rows)


def _row(call: LoggedCall) -> str:
    shown = call.as_dict()
    path = shown["path"] + (f"?{shown['query']}" if shown["query"] else "")
    texts = {"fault": shown["fault"] or "", "path": path, "sent": shown["request"], "answer": shown["answer"]}
    escaped = {name: escape(text) for name, text in texts.items()}
    return ROW.format(at=call.at, status=call.status or "none", method=escape(call.method), **escaped)


def _tenant(request: Request) -> Tenant:
    tenant: Tenant = request.app.state.tenant_of(request.path_params["tenant"])
    return tenant


def _json(value: object, status: int = 200) -> Response:
    return Response(dump(value, orjson.OPT_INDENT_2), status, {**SANDBOX_HEADER}, "application/json")
