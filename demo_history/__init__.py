"""Invented shops with a year of tasks, for demos and for measurements at scale.

All of it is marked as invented, and none of it is ever run: the shops have no access tokens, Pending tasks are due in
the year 2100, and the scheduler adds no periodic task while one of its type is Pending.
"""

from __future__ import annotations

import actors  # noqa: F401 - declares the task types
from demo_history.filling import fill
from demo_history.shops import RealShopError, check_shops

__all__ = ["RealShopError", "check_shops", "fill"]
