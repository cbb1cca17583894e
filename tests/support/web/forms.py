"""Read the forms of a page and send them, as a browser without JavaScript does."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class Forms(HTMLParser):
    """Every form of a page with its fields, by its URL."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._fields = self.found[given["action"]] = {}
        if tag == "input" and "name" in given:
            self._fields[given["name"]] = given.get("value", "")


def fields(client: Any, page: str, action: str) -> dict[str, str]:
    """The fields of the page's form with this URL."""
    response = client.get(page)
    assert response.status_code == 200, response.text
    return Forms(response.text).found[action]


def press(client: Any, page: str, action: str, **more: str) -> Any:
    """Open a page and send its form with this URL."""
    return client.post(action, data=fields(client, page, action) | more)
