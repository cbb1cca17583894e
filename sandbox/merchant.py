"""Use the app as a merchant does: signed in by a link, with a browser's cookies, over HTTP."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from datetime import date
from http.cookiejar import CookieJar


class Merchant:
    """`link` is a sign-in link; it works once."""

    def __init__(self, app_url: str, link: str) -> None:
        self._app_url, self._link = app_url, link
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def sign_in(self) -> bool:
        """Sign in; False while the app does not answer. Raises HTTPError when the link was used before."""
        address, _, query = self._link.partition("?")
        try:
            self._browser.open(address, query.encode(), timeout=10).close()  # the button sends what the link has
        except urllib.error.HTTPError:
            raise
        except OSError:
            return False
        return True

    def request_import(self, first: date, last: date) -> None:
        """Send the form of the page of imports. Raises HTTPError when the app refuses it."""
        self._send("/imports", {"first": str(first), "last": str(last), "ready": "yes"})

    def look_up_access(self) -> None:
        """Let the app look up which access scopes are granted. Raises HTTPError when the app refuses it."""
        self._send("/imports/access", {})

    def _send(self, path: str, fields: dict[str, str]) -> None:
        """Send a form of the page of imports."""
        with self._browser.open(f"{self._app_url}/imports", timeout=10) as page:
            hidden = dict(re.findall(r'name="(token|click)" value="([\w-]+)"', page.read().decode()))
        form = urllib.parse.urlencode(fields | hidden).encode()
        self._browser.open(f"{self._app_url}{path}", form, timeout=10).close()
