"""History that never happened: shops with a year of tasks, for demos and for measuring at scale.

Everything of it is marked as invented, and none of it is ever run: no secret leads anywhere, what is Pending is due
in a time that nobody will see, and the clock adds nothing while its own types are Pending.
"""

from __future__ import annotations

from demo_history.filling import fill
from demo_history.shops import RealShopError, check_shops

__all__ = ["RealShopError", "check_shops", "fill"]
