"""Faults of API calls, drawn at configured rates from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SETTINGS = ("seed", "latency_seconds", "hang_seconds", "retry_after")


class Fault(StrEnum):
    """How one call fails. Those without "takes effect" leave the tenant as it was."""

    NONE = "none"
    THROTTLED = "429"  # with Retry-After
    THROTTLED_BARE = "429-bare"  # without
    FAILED = "500"  # takes effect, then says that it failed
    UNAVAILABLE = "503"
    LATE = "latency"  # takes effect and answers, late
    HANG = "hang"  # takes effect, never answers
    RESET_BEFORE = "reset-before"
    RESET = "reset"  # takes effect, then cuts the connection
    HALF = "half"  # takes effect, cuts the connection within the body
    HALF_HEADERS = "half-headers"  # takes effect, cuts the connection within the headers
    HTML = "html"  # a proxy's page with status 200

    @property
    def takes_effect(self) -> bool:
        return self in (Fault.NONE, Fault.FAILED, Fault.LATE, Fault.HANG, Fault.RESET, Fault.HALF, Fault.HALF_HEADERS)


@dataclass
class Faults:
    """The share of calls that each fault happens to."""

    rates: dict[Fault, float] = field(default_factory=dict)
    seed: float = 1
    latency_seconds: float = 2.0
    hang_seconds: float = 120.0
    retry_after: float = 1

    def __post_init__(self) -> None:
        if sum(self.rates.values()) > 1 or any(rate < 0 for rate in self.rates.values()):
            raise ValueError("The rates of faults must lie between 0 and 1, together too.")
        self._random = random.Random(self.seed)

    @classmethod
    def read(cls, text: str) -> Faults:
        """From `503=0.01,429=0.005,reset=0.002`, where `seed` and the `_seconds` may be named too."""
        pairs = (part.partition("=") for part in text.split(",") if part.strip())
        return cls.of({name.strip(): value for name, _, value in pairs})

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Faults:
        """From a mapping of the same names. Raises ValueError with a message."""
        numbers = {name: _number(name, value) for name, value in values.items()}
        rates = {Fault(name): number for name, number in numbers.items() if name not in SETTINGS}
        return cls(rates, **{name: numbers[name] for name in SETTINGS if name in numbers})

    def copy(self) -> Faults:
        """The same rates, drawn from the seed again."""
        return Faults(dict(self.rates), self.seed, self.latency_seconds, self.hang_seconds, self.retry_after)

    def draw(self) -> Fault:
        """The next call's fault."""
        left = self._random.random()
        for fault, rate in self.rates.items():
            left -= rate
            if left < 0:
                return fault
        return Fault.NONE

    def as_dict(self) -> dict[str, float]:
        return {str(fault): rate for fault, rate in self.rates.items()} | {
            name: getattr(self, name) for name in SETTINGS
        }


def _number(name: str, value: object) -> float:
    if name not in SETTINGS and name not in list(Fault):
        raise ValueError(f"There is no fault {name!r}; there are {', '.join(Fault)}.")
    try:
        return float(str(value))
    except ValueError:
        raise ValueError(f"{name} must be a number, not {value!r}.") from None
