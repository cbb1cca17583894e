"""Read from /proc how much processor time processes have used."""

from __future__ import annotations

import math
import os
from pathlib import Path

PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")


def seconds(pid: int, proc: Path = PROC) -> float:
    """Time used by a process, its descendants, and those of them that have ended. NaN without /proc."""
    if not proc.exists():
        return math.nan
    used, children = _processes(proc)
    return _with_descendants(pid, used, children)


def _processes(proc: Path) -> tuple[dict[int, float], dict[int, list[int]]]:
    used: dict[int, float] = {}
    children: dict[int, list[int]] = {}
    for folder in proc.glob("[0-9]*"):
        try:
            parent, ticks = _read(folder / "stat")
        except OSError:  # it has ended meanwhile
            continue
        used[int(folder.name)] = ticks * TICK
        children.setdefault(parent, []).append(int(folder.name))
    return used, children


def _read(stat: Path) -> tuple[int, int]:
    """The parent, and the ticks of the process and of its children that have ended (proc(5): fields 4, 14 to 17)."""
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15]))


def _with_descendants(pid: int, used: dict[int, float], children: dict[int, list[int]]) -> float:
    below = sum(_with_descendants(child, used, children) for child in children.get(pid, []))
    return used.get(pid, 0.0) + below
