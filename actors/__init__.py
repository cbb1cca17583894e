"""Task types, one module per task group. Importing this package declares all of them as Dramatiq actors."""

from actors import customer, imports, mail, order, refund, settings
from sync.resend import resend
from taskqueue.broker import broker
from taskqueue.declare import declare_resend
from taskqueue.graceful_shutdown import GracefulShutdown
from taskqueue.watchdog import Watchdog

__all__ = ["broker", "customer", "imports", "mail", "order", "refund", "settings"]

declare_resend(resend)
broker.add_middleware(Watchdog())
broker.add_middleware(GracefulShutdown())
