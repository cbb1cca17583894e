"""Task types, one module per task group. Importing this package declares all of them as Dramatiq actors."""

from actors import customer, imports, mail, order, refund, settings
from sync import resend
from taskqueue.broker import broker
from taskqueue.watchdog import Watchdog

__all__ = ["broker", "customer", "imports", "mail", "order", "refund", "resend", "settings"]

broker.add_middleware(Watchdog())
