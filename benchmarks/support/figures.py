"""Numbers of several rounds, as a reader wants them: the median, and how far the rounds lay apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figures:
    """One value per round, in `unit`."""

    values: tuple[float, ...]
    unit: str = ""

    @classmethod
    def of(cls, values: Iterable[float], unit: str = "") -> Figures:
        return cls(tuple(values), unit)

    @property
    def median(self) -> float:
        return median(self.values)

    def per(self, other: Figures) -> Figures:
        """The ratio to another measurement, round by round, since neighbours in time share the machine's mood."""
        return Figures.of((100 * mine / its for mine, its in zip(self.values, other.values, strict=True)), " %")

    def __str__(self) -> str:
        low, middle, high = (_short(value) for value in (min(self.values), self.median, max(self.values)))
        return f"{middle}{self.unit} ({low} - {high})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class ResultTable:
    """A part of the results: what was measured, line by line, and what a reader must know about it."""

    title: str
    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def __str__(self) -> str:
        lines = [self.head, tuple("---" for _ in self.head), *self.rows]
        drawn = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
        return f"## {self.title}\n\n{self.about}\n\n{drawn}\n"
