"""Dramatiq's broker on Redis: a message carries only the id of a task, so losing Redis costs time, never work."""

from __future__ import annotations

import time
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.middleware import TimeLimit

from clients.redis_script import short_timeout_client
from config import config
from shutdown import SHUTDOWN

DEFAULT_ADDRESS = "redis://127.0.0.1:6379"
QUEUES = ("live", "bulk")  # by models.Lane
PAUSE_SECONDS = 0.1  # between two looks of a consumer that fetches nothing more

# What is still ours goes to the head of the queue, in the order in which it was taken.
RETURN_SCRIPT = """
for number = #ARGV, 1, -1 do
    if redis.call('SREM', KEYS[1], ARGV[number]) == 1 then redis.call('LPUSH', KEYS[2], ARGV[number]) end
end
"""


class TaskConsumer(_RedisConsumer):
    """Dramatiq's consumer of a queue, which fetches nothing more once the process shuts down."""

    def __next__(self) -> dramatiq.MessageProxy | None:
        if SHUTDOWN.begun and not self.message_cache:
            time.sleep(PAUSE_SECONDS)
            return None
        found: dramatiq.MessageProxy | None = super().__next__()
        return found


class TaskBroker(RedisBroker):
    """Dramatiq's broker with nothing but a time limit: retry, delay and expiry belong to the task's row."""

    def __init__(self, url: str) -> None:
        limit = TimeLimit(time_limit=round(config.time_limit_seconds * 1000), interval=1000)
        super().__init__(
            client=redis.Redis.from_url(url, socket_timeout=2), middleware=[limit], heartbeat_timeout=15000
        )
        # The sweep publishes again, so a webhook's sender need not wait for a slow Redis.
        self.quick_client = short_timeout_client(url)
        self._return_script = self.quick_client.register_script(RETURN_SCRIPT)

    @property
    def consumer_class(self) -> type[TaskConsumer]:
        return TaskConsumer

    def publish(self, messages: list[tuple[str, str, str]]) -> None:
        """Publish (actor, queue, task id) messages in one round trip. Raises redis.RedisError."""
        self._push("RPUSH", messages)

    def publish_first(self, messages: list[tuple[str, str, str]]) -> None:
        """As `publish`, before everything that is in the queue."""
        self._push("LPUSH", messages)

    def _push(self, command: str, messages: list[tuple[str, str, str]]) -> None:
        queues: dict[str, dict[Any, Any]] = {}  # by message id
        for actor, queue, task_id in messages:
            message_id, encoded = _message(actor, queue, task_id)
            queues.setdefault(queue, {})[message_id] = encoded
        with self.quick_client.pipeline(transaction=False) as pipe:
            for queue, encoded_messages in queues.items():
                pipe.hset(f"{self.namespace}:{queue}.msgs", mapping=encoded_messages)
                pipe.execute_command(command, f"{self.namespace}:{queue}", *encoded_messages)
            pipe.execute()

    def return_messages(self, queue: str, message_ids: list[str]) -> None:
        """Put fetched messages back to the head of their queue, for other workers. Raises redis.RedisError."""
        unacknowledged = f"{self.namespace}:__acks__.{self.broker_id}.{queue}"
        self._return_script(keys=[unacknowledged, f"{self.namespace}:{queue}"], args=message_ids)

    def has_lost_data(self) -> bool:
        """Whether Redis has lost its data since the last call. Sets its marker again. Raises redis.RedisError."""
        return bool(self.quick_client.set(f"{self.namespace}:not-emptied", 1, nx=True))

    def queue_length(self, queue: str) -> int:
        """Return the number of messages in the queue. Raises redis.RedisError."""
        count: int = self.quick_client.llen(f"{self.namespace}:{queue}")
        return count


def _message(actor: str, queue: str, task_id: str) -> tuple[str, bytes]:
    """Return id and encoding of a message, as Dramatiq's broker stores it. Republishing a task makes a new message."""
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=queue, actor_name=actor, args=(task_id,), kwargs={}, options={}
    )
    message.options["redis_message_id"] = message.message_id
    return message.message_id, message.encode()


broker = TaskBroker(config.redis_address or DEFAULT_ADDRESS)
dramatiq.set_broker(broker)
