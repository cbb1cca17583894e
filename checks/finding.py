"""A finding of `manage.py check`: what was tried, and that it works or what is wrong and what to do."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from redaction.text import redacted_message


@dataclass(frozen=True)
class Finding:
    """One line. `sentence` says what works, or what is wrong and what to do."""

    about: str
    sentence: str
    ok: bool = True

    def __str__(self) -> str:
        return f"{'ok   ' if self.ok else 'WRONG'}  {self.about}: {self.sentence}"


Check = Callable[[], list[Finding]]


def wrong(about: str, sentence: str) -> Finding:
    return Finding(about, sentence, ok=False)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without what looks like personal data or a secret."""
    return redacted_message((str(error) or type(error).__name__).partition("\n")[0])


def start(about: str, check: Check, slots: threading.Semaphore | None = None) -> Callable[[float], list[Finding]]:
    """Start the check on a thread, and return what waits so many seconds for its findings."""
    found: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()

    def run() -> None:
        with slots or threading.Semaphore():
            found.put(_tried(about, check))

    def findings(seconds: float) -> list[Finding]:
        try:
            return found.get(timeout=max(seconds, 0.01))
        except queue.Empty:
            return [wrong(about, "there was no answer in time. Try again; if it stays so, look at the network.")]

    # Nobody waits for a thread that hangs, as in a name server that does not answer.
    threading.Thread(target=run, daemon=True).start()
    return findings


def _tried(about: str, check: Check) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # one check's defect must not hide the others' findings
        return [wrong(about, f"it could not be tried ({type(error).__name__}). Report this.")]
