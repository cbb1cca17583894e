"""The forms of a page, and pressing their buttons, as a browser without JavaScript does."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class Forms(HTMLParser):
    """Every form of a page with its fields, by its address."""

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
    """What the form of the page that leads to this address would send."""
    response = client.get(page)
    assert response.status_code == 200, response.text
    return Forms(response.text).found[action]


def press(client: Any, page: str, action: str, **more: str) -> Any:
    """Open a page and press the button that leads to this address."""
    return client.post(action, data=fields(client, page, action) | more)
