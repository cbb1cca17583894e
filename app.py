"""The web process: its routes, its middleware, and which of it a webhook, a static file or a page goes through.

The app's own routes are for machines: webhooks, health and metrics, with the security headers and the body limit that
every answer needs. A path that is none of theirs is a person's and goes on to `site`: static files and the bounce page,
which have no session, and behind them `pages`, which have one.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles

import logs
from config import require_safe_settings
from encryption import require_keyring
from tasklog.counters import COUNTERS
from views.account import audit, data_requests, help, members, onboarding, sign_in_links, support_links
from views.alerts import index as alerts_index
from views.alerts import subscriptions
from views.entities import show as entities_show
from views.imports import index as imports_index
from views.ops import health, metrics
from views.problems import index as problems_index
from views.settings import index as settings_index
from views.tasks import actions, bulk_retry, saved_views, saved_views_edit, summary
from views.tasks import export as tasks_export
from views.tasks import index as tasks_index
from views.tasks import show as tasks_show
from views.web import session
from views.web.language import LanguageMiddleware
from views.web.request_checks import BodyLimit, HostCheck, OriginCheck, SingleParameterCheck
from views.web.security_headers import SecurityHeadersMiddleware
from views.web.view import in_thread
from views.webhooks import engage as webhooks_engage
from views.webhooks import shopify as webhooks_shopify

STATIC = Path(__file__).parent / "static"


logs.configure_logging()
require_safe_settings()
require_keyring()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Write the counts of the metrics at the end: uvicorn then ends by the signal itself, and nothing runs at exit."""
    yield
    await in_thread(COUNTERS.flush)


pages = Router(
    routes=[
        *session.routes,
        *sign_in_links.routes,
        *tasks_index.routes,
        *tasks_export.routes,
        *saved_views.routes,
        *saved_views_edit.routes,
        *summary.routes,
        *tasks_show.routes,
        *entities_show.routes,
        *imports_index.routes,
        *actions.routes,
        *bulk_retry.routes,
        *problems_index.routes,
        *audit.routes,
        *subscriptions.routes,
        *alerts_index.routes,
        *settings_index.routes,
        *onboarding.routes,
        *members.routes,
        *support_links.routes,
        *data_requests.routes,
        *help.routes,
    ],
    middleware=[Middleware(session.SessionMiddleware)],
)
site = Router(
    routes=[session.bounce_page, Mount("/static", StaticFiles(directory=STATIC))],
    default=pages,
    middleware=[
        Middleware(HostCheck),
        Middleware(OriginCheck, exempt=[subscriptions.one_click]),
        Middleware(SingleParameterCheck),
        Middleware(LanguageMiddleware),
    ],
)
app = Starlette(
    routes=[
        *webhooks_shopify.routes,
        *webhooks_engage.routes,
        *health.routes,
        *metrics.routes,
    ],
    middleware=[
        Middleware(SecurityHeadersMiddleware),
        Middleware(BodyLimit),
        Middleware(GZipMiddleware, compresslevel=4),
    ],
    lifespan=lifespan,
)
app.router.default = site
ROUTES = [*app.routes, *site.routes, *pages.routes]

# What is loaded by now stays. Looking through it for garbage takes 20 ms, of whichever request is being answered.
gc.collect()
gc.freeze()
