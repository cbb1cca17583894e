"""A stand-in for Shopify's admin: a page that shows the app in a frame, and hands ID tokens to its App Bridge.

Its App Bridge does what Shopify's is documented to do: it adds the token to what the page fetches from its own origin,
retries after a 401 that asks for it, returns from the bounce page with a new token, and tells the admin's address bar
where the frame is. A click in the admin's navigation goes to the bare path, unless the page takes the event.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.shopify.api.oauth import ID_TOKEN_SECONDS, OAuth, StaffMember
from sandbox.shopify.scopes import OPTIONAL, REQUIRED
from sandbox.shopify.shop_events import ShopEvents

Query = Sequence[tuple[str, str]]

FOLDER = Path(__file__).parent
PAGE, BRIDGE = ((FOLDER / name).read_text() for name in ("admin.html", "bridge.js"))
COLLEAGUE = StaffMember("700000000002", "Bo", "Dahl", owner=False)
STAFF = {"owner": StaffMember(), "visitor": COLLEAGUE}


class AdminPage:
    """`app`, mounted at `/admin`, has `/store/{store}/apps/{app}/{path}`: the admin with the app's page in its frame.

    Also `/bridge.js`, the app's script; `/id-token/{store}` for the frame; and `/{shop}/{path}`, the former address,
    which redirects. The query is the app's, but for `as`, the member of staff.

    `shops`: where merchants grant and revoke optional access scopes.
    """

    def __init__(self, oauth: OAuth, app_url: str, shops: ShopEvents) -> None:
        self.oauth, self.app_url, self.shops = oauth, app_url, shops
        self.token_seconds: deque[float] = (
            deque()
        )  # in seconds, of the next tokens; those after them live as Shopify's do
        self.without_bridge = False  # whether App Bridge leaves the page's own requests alone
        self.app = Starlette(
            routes=[
                Route("/bridge.js", self._bridge),
                Route("/admin.js", self._script),
                Route("/scopes/{store}", self._scopes, methods=["POST"]),
                Route("/id-token/{store}", self._token, methods=["POST"]),
                Route("/store/{store}/apps/{app}", self._page),
                Route("/store/{store}/apps/{app}/{path:path}", self._page),
                Route("/{shop}/{path:path}", self._redirect),
            ]
        )

    def frame_url(self, shop: str, path: str, staff: StaffMember, locale: str = "en", query: Query = ()) -> str:
        """The URL of the page that Shopify's admin opens in its frame. `query`: the app's own."""
        host = base64.b64encode(f"admin.shopify.com/store/{_handle(shop)}".encode()).decode().rstrip("=")
        added = {
            "embedded": "1",
            "hmac": "0" * 64,
            "host": host,
            "id_token": self._id_token(shop, staff),
            "locale": locale,
            "session": "0" * 64,
            "shop": shop,
            "timestamp": "1",
        }
        return f"{self.app_url}/{path}?{urlencode([*query, *added.items()])}"

    async def _page(self, request: Request) -> Response:
        if request.path_params["app"] != self.oauth.client_id:
            return HTMLResponse("There is no such app.", 404)
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "as"]
        path = request.path_params.get("path", "")
        frame = self.frame_url(_domain(request.path_params["store"]), path, _staff(request), query=query)
        return HTMLResponse(PAGE.replace("FRAME", frame.replace("&", "&amp;")))

    async def _redirect(self, request: Request) -> Response:
        store, path = _handle(request.path_params["shop"]), request.path_params["path"]
        url = f"/admin/store/{store}/apps/{self.oauth.client_id}/{path}"
        return RedirectResponse(f"{url}?{request.url.query}" if request.url.query else url)

    async def _token(self, request: Request) -> Response:
        return JSONResponse(self._id_token(_domain(request.path_params["store"]), _staff(request)))

    async def _scopes(self, request: Request) -> Response:
        """Grant or revoke, as the merchant has decided, and answer with App Bridge's `ScopesDetail`."""
        shop, asked = _domain(request.path_params["store"]), await request.json()
        change = {"request": self.shops.grant, "revoke": self.shops.revoke}.get(asked["action"])
        if change:
            change(shop, *asked["scopes"])
        granted = self.shops.records(shop).granted_scopes
        return JSONResponse({"granted": list(granted), "required": list(REQUIRED), "optional": list(OPTIONAL)})

    def _id_token(self, shop: str, staff: StaffMember) -> str:
        return self.oauth.id_token(
            shop, staff, seconds=self.token_seconds.popleft() if self.token_seconds else ID_TOKEN_SECONDS
        )

    async def _bridge(self, request: Request) -> Response:
        script = BRIDGE.replace("const bare = false", "const bare = true") if self.without_bridge else BRIDGE
        return Response(script, media_type="text/javascript")

    async def _script(self, request: Request) -> Response:
        return FileResponse(FOLDER / "admin.js", media_type="text/javascript")


def _handle(shop: str) -> str:
    return shop.partition(".")[0]


def _domain(store: str) -> str:
    return f"{store}.myshopify.com"


def _staff(request: Request) -> StaffMember:
    return STAFF[request.query_params.get("as", "owner")]
