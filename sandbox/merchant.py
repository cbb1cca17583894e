"""The merchant in front of the app: signed in by a link, with a browser's cookies, clicking what a merchant clicks."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from datetime import date
from http.cookiejar import CookieJar


class Merchant:
    """`link` opens the app once."""

    def __init__(self, app_url: str, link: str) -> None:
        self._app_url, self._link = app_url, link
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def came_in(self) -> bool:
        """Sign in; False while the app does not answer. Raises HTTPError when the link was used before."""
        try:
            self._browser.open(self._link, timeout=10).close()
        except urllib.error.HTTPError:
            raise
        except OSError:
            return False
        return True

    def ask_for_import(self, first: date, last: date) -> None:
        """The form on the page of imports, filled in and sent. Raises HTTPError when the app refuses it."""
        with self._browser.open(f"{self._app_url}/imports", timeout=10) as page:
            hidden = dict(re.findall(r'name="(token|click)" value="([\w-]+)"', page.read().decode()))
        filled = urllib.parse.urlencode({"first": first, "last": last, "ready": "yes"} | hidden).encode()
        self._browser.open(f"{self._app_url}/imports", filled, timeout=10).close()
