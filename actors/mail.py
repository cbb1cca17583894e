"""Mail: the Dramatiq actor that delivers a mail of the outbox. It is no task: alert mails have a table of their own."""

from __future__ import annotations

from uuid import UUID

import dramatiq

from alerts.delivery import deliver
from alerts.jobs import diagnose, smtp_server
from database import EVERY, connected
from models import Lane
from taskqueue.broker import QUEUES


@dramatiq.actor(actor_name="send_mail", queue_name=QUEUES[Lane.LIVE])
def send_mail(mail_id: str) -> None:
    """Deliver a mail of the outbox, if its row is still due."""
    with connected(EVERY):
        deliver(UUID(mail_id), diagnose, smtp_server())
