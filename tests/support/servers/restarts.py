"""Send webhooks of a busy shop while dynos are restarted as Heroku does it, and compare the result with the right one.

    python -m tests.support.servers.restarts --webhooks 1000 --restarts 20 --seed 1
    python -m tests.support.servers.restarts --webhooks 1000 --restarts 8 --before CHECKOUT

prints a report as JSON and exits with 1 when anything was lost, doubled, cut off or left unknown. `--before`: the dynos
start from this checkout, of an older version, and are restarted into this one, while the others still run the old one.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.support.servers.chaos import KEY, SECRET, SHOP, ChaosReport, ChaosRun, Killer, connect, set_environment

if TYPE_CHECKING:
    from tests.support.servers.heroku import Dyno

DYNOS = ("web", "worker.1", "worker.2", "scheduler")
SIGNALS = 2
SLOW = {"latency": 0.05, "latency_seconds": 4}  # of calls to Engage: some are longer than the time to end
TIMES = {"SHUTDOWN_SECONDS": "2", "BACKOFF_SECONDS": "0.2"}  # the lease is the default: a minute
GIVEN_BACK = """
    SELECT extract(epoch FROM (
        SELECT min(later.started_at) FROM attempt AS later
        WHERE later.task_id = attempt.task_id AND later.number > attempt.number) - ended_at)::float8
    FROM attempt WHERE reason = 'worker_restarted'"""


@dataclass
class RestartReport:
    """What was done, and its results. Everything from `killed` on is a defect unless it is zero."""

    chaos: ChaosReport
    restarts: int = 0
    signals: int = 0
    longest_stop: float = 0.0
    given_back: int = 0
    claimed_after_median: float = 0.0
    claimed_after_longest: float = 0.0
    mails: int = 0
    killed: int = 0  # dynos that had not ended after 30 seconds
    lost: int = 0  # attempts that waited for the end of their lease
    unknown: int = 0  # errors whose outcome is unknown
    mails_doubled: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def defects(self) -> dict[str, Any]:
        names = list(asdict(self))
        own = {name: getattr(self, name) for name in names[names.index("killed") :] if getattr(self, name)}
        return self.chaos.defects | own


class RestartRun(ChaosRun):
    """One shop on servers and dynos of its own, in this process's sandbox. `processes` are the dynos by name."""

    def restart_and_check(self, webhooks: int, restarts: int, rate: float) -> RestartReport:
        """Send the webhooks at this rate a second with the restarts spread over it, wait for the end, and check."""
        self.restarted = RestartReport(self.report)
        self._next = iter(DYNOS * restarts)
        killer = Killer(restarts, webhooks / rate, self.report.seed, self._restart)
        self.send_and_check(webhooks, rate, [killer])
        self.restarted.restarts = killer.done
        self._check()
        return self.restarted

    def _restart(self, chance: random.Random) -> None:
        """Stop the dyno whose turn it is, and start its successor at once, beside it."""
        from sandbox.dev_servers import CHECKOUT
        from tests.support.servers.heroku import Dyno

        name = next(self._next)
        old: Dyno = self.processes[name]
        stopping = threading.Thread(target=self._stop, args=(old, chance.uniform(0, 2)))
        stopping.start()
        if name == "web":  # on one machine it needs the same port, which an older version keeps until its end
            stopping.join()
        new = Dyno(name, old.log_path.parent, old.environment, CHECKOUT)
        self.processes[name] = new.start()
        stopping.join()

    def _stop(self, dyno: Dyno, pause: float) -> None:
        seconds = dyno.stop(SIGNALS, pause)
        self.restarted.longest_stop = max(self.restarted.longest_stop, round(seconds, 1))
        self.restarted.killed += dyno.was_killed
        self.restarted.signals += SIGNALS

    def _check(self) -> None:
        from database import db
        from models import State, Task
        from reasons import Code

        report, waits = self.restarted, [seconds for (seconds,) in db.execute_sql(GIVEN_BACK).fetchall()]
        report.given_back = len(waits)
        report.claimed_after_median = round(median(waits), 2) if waits else 0.0
        report.claimed_after_longest = round(max(waits), 2) if waits else 0.0
        mails = [call.request for call in self.engage.calls if call.path.endswith("/orders") and call.status < 300]
        report.mails, report.mails_doubled = len(mails), len(mails) - len(set(mails))
        report.lost, report.errors = self.report.attempts_lost, self.report.errors
        failed = (Task.state == State.ERROR) & (Task.code == Code.OUTCOME_UNKNOWN)
        report.unknown = Task.select().where(failed).count()


@contextmanager
def restart_system(seed: int, before: Path | None) -> Iterator[RestartRun]:
    """Servers, sandboxes on free ports, and the app's dynos, all of them running. Notifications are on."""
    from database import EVERY, connected
    from models import Shop
    from sandbox.dev_servers import CHECKOUT
    from sandbox.engage.faults import Faults
    from sandbox.engage.http.server import Engage
    from sandbox.serve import serving
    from sandbox.shopify import Shopify
    from tests.conftest import free_port
    from tests.support.servers.app_processes import running_servers
    from tests.support.servers.heroku import Dyno

    with ExitStack() as stack:
        port = free_port()
        own = stack.enter_context(running_servers())
        plenty = {"points": 20_000, "restore_rate": 5_000}
        shopify = Shopify(SECRET, f"http://127.0.0.1:{port}/webhooks/shopify", schedule=[0.5] * 120, **plenty)
        stack.callback(shopify.close)
        engage = Engage(KEY, faults=Faults.of({**SLOW, "seed": seed}), batch_seconds=0)
        environment = {
            **own.environment,
            **TIMES,
            "PORT": str(port),
            "SHOPIFY_API_SECRET": SECRET,
            "SHOPIFY_ORIGIN": stack.enter_context(serving(shopify.app)) + "/{shop}",
            "ENGAGE_ORIGIN": stack.enter_context(serving(engage.app)) + "/{tenant}",
        }
        stack.enter_context(own.as_own_database())
        connect()
        with connected(EVERY):
            Shop.update(settings={"notifications": {"enabled": True}}).where(Shop.domain == SHOP).execute()
        dynos = {name: Dyno(name, own.folder, environment, before or CHECKOUT) for name in DYNOS}
        stack.callback(lambda: [dyno.kill() for dyno in dynos.values()])
        for dyno in dynos.values():
            dyno.start()
        yield RestartRun(own, dynos, shopify, engage, seed)


def run_restarts(
    webhooks: int, restarts: int, *, seed: int = 1, rate: float = 10, before: Path | None = None
) -> RestartReport:
    """One run. Webhooks come at `rate` a second."""
    from database import EVERY, connected

    with restart_system(seed, before) as system, connected(EVERY):
        return system.restart_and_check(webhooks, restarts, rate)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.support.servers.restarts", description=__doc__)
    options.add_argument("--webhooks", type=int, default=1000)
    options.add_argument("--restarts", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rate", type=float, default=10)
    options.add_argument("--before", type=Path)
    set_environment()
    chosen = options.parse_args()
    report = run_restarts(chosen.webhooks, chosen.restarts, seed=chosen.seed, rate=chosen.rate, before=chosen.before)
    print(json.dumps(asdict(report), indent=1))
    sys.exit(1 if report.defects else 0)


if __name__ == "__main__":
    main()
