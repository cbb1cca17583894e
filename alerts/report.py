"""Report of an incident: its title, paragraphs and link to the tasks. Mails and pages are both made from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from config import config
from i18n.catalogue import t
from i18n.formats import format_datetime, format_duration
from models import Shop


@dataclass(frozen=True)
class IncidentReport:
    """What is known of an incident, in the current language. `tasks_url`: the list of the tasks that it is about."""

    title: str
    paragraphs: list[str]
    tasks_url: str


def tasks_url(**query: str) -> str:
    """The URL of a filtered task list."""
    return f"{config.app_url}/tasks?{urlencode(query)}"


def shop_name(shop: Shop) -> str:
    return shop.name or shop.domain


def local_time(shop: Shop, instant: datetime) -> str:
    """An instant in the shop's time zone, with its name."""
    return t("mail.times", time=format_datetime(instant.astimezone(shop.zone)), zone=shop.timezone)


def seconds_text(seconds: float) -> str:
    return format_duration(seconds * 1000)
