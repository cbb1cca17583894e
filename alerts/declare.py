"""Declare alert rules: `@rule(...)` over a class makes an alert rule. Everything else reads it from the table RULES.

`alerts/declared/` has the declarations; import RULES from there, so that it is filled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from alerts import incidents
from alerts.backtest import BacktestAlert, BacktestHistory
from alerts.evidence import Evidence, NoEvidence, read_evidence
from alerts.report import IncidentReport, local_time
from alerts.rules.window import DailyWindow
from alerts.settings import NoSettings, Settings
from alerts.task_history import AlertTaskTypes
from i18n.catalogue import t
from mappings import rules_from
from models import AlertRule, Incident, RuleState, Shop

NOT_EVALUATED = (RuleState.OFF, RuleState.UNKNOWN)

CountShopifyOrders = Callable[[Shop, datetime, datetime], int | None]


@dataclass(frozen=True)
class EvaluationInput:
    """What a rule of a shop is evaluated from. `row`: the rule's state before.

    `stalled_since`: since when the app itself has been stalled; None: it is not.
    """

    shop: Shop
    row: AlertRule
    task_types: AlertTaskTypes
    count_shopify_orders: CountShopifyOrders
    now: datetime
    stalled_since: datetime | None = None

    def is_open(self) -> bool:
        """Whether the rule has an open incident."""
        return incidents.open_by_rule(self.shop, self.row.rule) is not None


@dataclass(frozen=True)
class Evaluation(Generic[Evidence]):
    """The result of an evaluation: the rule's state, and what is stored with the rule and the incident.

    `bad_since`, `good_since`: since when the condition has held, or no longer holds. `closed_by`: what ended it.
    """

    state: RuleState
    evidence: Evidence | None = None
    bad_since: datetime | None = None
    good_since: datetime | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = "recovered"

    @classmethod
    def off(cls, now: datetime) -> Evaluation[Evidence]:
        """The rule is off."""
        return cls(RuleState.OFF, closed_at=now, closed_by="settings")


@dataclass(frozen=True)
class Rule(ABC, Generic[Evidence, Settings]):
    """An alert rule as declared. Its texts are in the catalogue, under `alerts.<name>`."""

    name: str
    position: int
    evidence: type[Evidence]
    settings: type[Settings]
    covered_by: tuple[str, ...]

    def read_evidence(self, row: AlertRule | Incident) -> Evidence:
        """The evidence that is stored with the rule of a shop, or with an incident. Raises ValueError."""
        return read_evidence(self.evidence, row.evidence)


class AppRule(Rule[Evidence, Settings]):
    """A rule about the app itself. Its incidents have no shop, and are the operator's.

    While it holds, the app may be why a shop is silent, so the rules of shops get its instant as `stalled_since`.
    """

    @abstractmethod
    def holds_since(self) -> datetime | None:
        """Since when its condition has held; None: it does not."""


class ShopRule(Rule[Evidence, Settings]):
    """A rule that is evaluated for each shop."""

    diagnosed: ClassVar[bool] = False  # an incident's first mail waits for the diagnosis
    counts_silence: ClassVar[bool] = False  # it measures time without orders, but for time without a scheduler
    counts_tasks: ClassVar[bool] = False  # it counts finished tasks, which its backtest needs

    @abstractmethod
    def evaluate(self, given: EvaluationInput, settings: Settings, before: Evidence) -> Evaluation[Evidence]:
        """Evaluate the rule without writing. `before`: the evidence of the last evaluation.

        Raises ValueError for invalid settings.
        """

    @abstractmethod
    def report(self, shop: Shop, incident: Incident, evidence: Evidence) -> IncidentReport:
        """What an incident's mails and its card on the page say, in the current language."""

    @abstractmethod
    def is_on(self, settings: Settings) -> bool:
        """Whether the settings switch it on."""

    def settings_of(self, shop: Shop) -> Settings:
        """The shop's settings of this rule."""
        return rules_from(self.settings, shop.settings.get("alerts", {}))

    def sentence(self, shop: Shop, state: str, evidence: Evidence) -> str:
        """A sentence about its state."""
        return t(f"alerts.{self.name}.state.{state}")

    def note(self, evidence: Evidence) -> str | None:
        """A note beside the sentence."""
        return None

    def reminder_window(self, shop: Shop) -> DailyWindow | None:
        """The window in which reminders are sent; None: at any time."""
        return None

    def backtest(self, settings: Settings, history: BacktestHistory) -> Sequence[BacktestAlert]:
        """The alerts that these settings would have opened. It is called only if they switch the rule on."""
        return ()

    def warnings(self, settings: Settings, history: BacktestHistory) -> Sequence[str]:
        """What to know before these settings are saved."""
        return ()

    @property
    def title(self) -> str:
        return t(f"alerts.{self.name}.title")

    @property
    def opened_title(self) -> str:
        """The title of an incident whose cause is not known yet."""
        return t(f"alerts.{self.name}.opened")

    @property
    def covers_text(self) -> str:
        """The sentence at an incident that has no mail of its own, since this rule's mail covers it."""
        return t(f"alerts.{self.name}.covers")

    def covered_text(self, shop: Shop, incident: Incident) -> str:
        """The sentence about its incident in the mail that covers it."""
        return t(f"alerts.{self.name}.mail.covered", since=local_time(shop, incident.bad_since))


RULES: dict[str, Rule[Any, Any]] = {}

R = TypeVar("R", bound=Rule[Any, Any])


def rule(
    name: str,
    *,
    position: int = 0,
    evidence: type[Any] = NoEvidence,
    settings: type[Any] = NoSettings,
    covered_by: tuple[str, ...] = (),
) -> Callable[[type[R]], type[R]]:
    """Declare an alert rule over its class.

    `name`: in the database and in the catalogue; it never changes. `position`: among the rules on the pages.
    `evidence`: a frozen dataclass with a default for each field. `settings`: a frozen dataclass of the shop's settings,
    whose fields are on the settings page. `covered_by`: rules whose open incident's mail covers this one's, by name.
    """

    def declare(kind: type[R]) -> type[R]:
        RULES[name] = kind(name, position, evidence, settings, covered_by)
        return kind

    return declare


def shop_rules() -> list[ShopRule[Any, Any]]:
    """The rules that are evaluated for each shop, in the order of the pages."""
    return sorted((each for each in RULES.values() if isinstance(each, ShopRule)), key=lambda each: each.position)


def app_rules() -> list[AppRule[Any, Any]]:
    """The rules about the app itself."""
    return [each for each in RULES.values() if isinstance(each, AppRule)]


def shop_rule(name: str) -> ShopRule[Any, Any]:
    """The rule of shops with this name. Raises KeyError."""
    return {each.name: each for each in shop_rules()}[name]
