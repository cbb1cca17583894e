"""Results of several rounds: their median with the lowest and the highest, and tables of them in Markdown."""

from __future__ import annotations

import sys
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
        """The ratio to another measurement, round by round, since rounds next to each other run under the same load."""
        return Figures.of((100 * mine / its for mine, its in zip(self.values, other.values, strict=True)), " %")

    def __str__(self) -> str:
        low, middle, high = (_short(value) for value in (min(self.values), self.median, max(self.values)))
        return f"{middle}{self.unit} ({low} - {high})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class ResultTable:
    """One table of the results, with its title and a description of what was measured."""

    title: str
    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def __str__(self) -> str:
        lines = [self.head, tuple("---" for _ in self.head), *self.rows]
        text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
        return f"## {self.title}\n\n{self.about}\n\n{text}\n"


def show(table: ResultTable) -> ResultTable:
    """Print the table to standard error as soon as it is measured, and return it."""
    print(table, file=sys.stderr, flush=True)
    return table
