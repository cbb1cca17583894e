"""The web process: routes and middleware, for machines and for people.

A request meets the routes of machines first, by the middleware that every answer needs. No other route of the app has
their paths, so what they do not know is a person's: a page, which has a session, or a file or the bounce page, which
have none.
"""

from __future__ import annotations

import gc
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles

import logs
from views import (
    acting,
    addresses,
    alerts,
    audit,
    auth,
    batches,
    data_requests,
    engage_webhooks,
    entities,
    export,
    health,
    help,
    imports,
    live,
    metrics,
    overview,
    people,
    saved,
    saving,
    settings,
    summary,
    support,
    tasks,
    webhooks,
    welcome,
)
from views.guards import SecurityHeaders
from views.language import Languages
from views.request_checks import BodyLimit, HostCheck, OriginCheck

STATIC = Path(__file__).parent / "static"


logs.configure()

pages = Router(
    routes=[
        *auth.routes,
        *overview.routes,
        *export.routes,
        *saved.routes,
        *saving.routes,
        *summary.routes,
        *live.routes,
        *tasks.routes,
        *entities.routes,
        *imports.routes,
        *acting.routes,
        *batches.routes,
        *audit.routes,
        *addresses.routes,
        *alerts.routes,
        *settings.routes,
        *welcome.routes,
        *people.routes,
        *support.routes,
        *data_requests.routes,
        *help.routes,
    ],
    middleware=[Middleware(auth.SessionMiddleware)],
)
site = Router(
    routes=[auth.bounce_page, Mount("/static", StaticFiles(directory=STATIC))],
    default=pages,
    middleware=[
        Middleware(HostCheck),
        Middleware(OriginCheck, exempt=[addresses.one_click]),
        Middleware(Languages),
    ],
)
app = Starlette(
    routes=[
        *webhooks.routes,
        *engage_webhooks.routes,
        *health.routes,
        *metrics.routes,
    ],
    middleware=[
        Middleware(SecurityHeaders),
        Middleware(BodyLimit),
        Middleware(GZipMiddleware, compresslevel=4),
    ],
)
app.router.default = site
ROUTES = [*app.routes, *site.routes, *pages.routes]

# What is loaded by now stays. Looking through it for garbage takes 20 ms, of whichever request is being answered.
gc.collect()
gc.freeze()
