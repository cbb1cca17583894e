"""Parse a page's text, links and fields; and the headers of an htmx request."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


class ParsedPage(HTMLParser):
    """The parts of a page that tests read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, words: str) -> None:
        self.words.append(words)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, wanted: str) -> list[dict[str, str | None]]:
        """The attributes of every tag of this name."""
        return [attributes for tag, attributes in self.tags if tag == wanted]

    @property
    def links(self) -> list[str | None]:
        return [link["href"] for link in self.all("a")]


def get_page(client: Any, address: str, **options: Any) -> ParsedPage:
    response = client.get(address, **options)
    assert response.status_code == 200, response.text
    return ParsedPage(response.text)
