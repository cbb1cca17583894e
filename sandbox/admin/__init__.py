"""A stand-in for Shopify's admin: a page that shows the app in a frame, and hands ID tokens to its App Bridge.

Its App Bridge does what Shopify's is documented to do: it adds the token to what the page fetches from its own origin,
retries after a 401 that asks for it, and returns from the bounce page with a new token.
"""

from __future__ import annotations

import base64
from collections import deque
from pathlib import Path
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox.shopify.api.oauth import ID_TOKEN_SECONDS, OAuth, StaffMember

FOLDER = Path(__file__).parent
PAGE, BRIDGE = ((FOLDER / name).read_text() for name in ("admin.html", "bridge.js"))
COLLEAGUE = StaffMember("700000000002", "Bo", "Dahl", owner=False)
STAFF = {"owner": StaffMember(), "visitor": COLLEAGUE}


class AdminPage:
    """`app` has `/{shop}/{path}`: the admin with the app's page in it; `/bridge.js`; `/{shop}/token` for the frame."""

    def __init__(self, oauth: OAuth, app_url: str) -> None:
        self.oauth, self.app_url = oauth, app_url
        self.token_seconds: deque[float] = (
            deque()
        )  # in seconds, of the next tokens; those after them live as Shopify's do
        self.without_bridge = False  # whether App Bridge leaves the page's own requests alone
        self.app = Starlette(
            routes=[
                Route("/bridge.js", self._bridge),
                Route("/admin.js", self._script),
                Route("/{shop}/id-token", self._token, methods=["POST"]),
                Route("/{shop}/{path:path}", self._page),
            ]
        )

    def frame_url(self, shop: str, path: str, staff: StaffMember, locale: str = "en") -> str:
        """The URL of the page that Shopify's admin opens in its frame."""
        host = base64.b64encode(f"admin.shopify.com/store/{shop.partition('.')[0]}".encode()).decode().rstrip("=")
        query = {
            "embedded": "1",
            "hmac": "0" * 64,
            "host": host,
            "id_token": self._id_token(shop, staff),
            "locale": locale,
            "session": "0" * 64,
            "shop": shop,
            "timestamp": "1",
        }
        return f"{self.app_url}/{path}?{urlencode(query)}"

    async def _page(self, request: Request) -> Response:
        staff = STAFF[request.query_params.get("as", "owner")]
        frame = self.frame_url(request.path_params["shop"], request.path_params["path"], staff)
        return HTMLResponse(PAGE.replace("FRAME", frame.replace("&", "&amp;")))

    async def _token(self, request: Request) -> Response:
        staff = STAFF[request.query_params.get("as", "owner")]
        return JSONResponse(self._id_token(request.path_params["shop"], staff))

    def _id_token(self, shop: str, staff: StaffMember) -> str:
        return self.oauth.id_token(
            shop, staff, seconds=self.token_seconds.popleft() if self.token_seconds else ID_TOKEN_SECONDS
        )

    async def _bridge(self, request: Request) -> Response:
        script = BRIDGE.replace("const bare = false", "const bare = true") if self.without_bridge else BRIDGE
        return Response(script, media_type="text/javascript")

    async def _script(self, request: Request) -> Response:
        return FileResponse(FOLDER / "admin.js", media_type="text/javascript")
