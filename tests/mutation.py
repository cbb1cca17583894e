"""Mutation test: break one guard at a time in a copy of the checkout, and see that a test fails (`make mutation`).

    python -m tests.mutation --count 20 --seed 7
    python -m tests.mutation --guard lease

takes twenty at random, or those whose guard is named so; otherwise all of tests/support/mutations.py. Each is killed,
SURVIVED, NOT APPLICABLE (its text does not occur exactly once) or UNDECIDED (its tests could not be run, or not within
the time limit).
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sandbox import dev_servers
from tests.support.mutations import MUTATIONS, Mutation

LEFT_OUT = (".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", ".coverage*")
LIMIT_SECONDS = 600
TIDY_UP_SECONDS = 60  # for pytest to stop the servers that it started
PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-n", "0", "--tb=no", "-m", "not slow")
NOTICED = re.compile(r"^(?:FAILED|ERROR) (tests/[\w./:]+)", re.MULTILINE)
PASSED, FAILED = 0, 1  # pytest's exit codes


class Verdict(StrEnum):
    """What became of a mutation."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    NOT_APPLICABLE = "NOT APPLICABLE"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Result:
    """Verdict on a mutation, and the test that noticed it or the reason that there is none."""

    mutation: Mutation
    verdict: Verdict
    by: str


def judge(mutation: Mutation, copy: Path, environment: dict[str, str]) -> Result:
    """Run the mutation's tests in the copy of the checkout while its guard is broken."""
    try:
        with applied(mutation, copy / mutation.path):
            code, output = run_tests(mutation.tests, copy, environment)
    except ValueError as error:
        return Result(mutation, Verdict.NOT_APPLICABLE, str(error))
    if code == PASSED:
        return Result(mutation, Verdict.SURVIVED, " ".join(mutation.tests))
    if code == FAILED and (noticed := NOTICED.search(output)):
        return Result(mutation, Verdict.KILLED, noticed[1])
    return Result(mutation, Verdict.UNDECIDED, output[-500:] or f"no end within {LIMIT_SECONDS} seconds")


@contextmanager
def applied(mutation: Mutation, path: Path) -> Iterator[None]:
    """Break the guard until the block ends. Raises ValueError."""
    source = path.read_text()
    path.write_text(mutation.apply(source))
    try:
        yield
    finally:
        path.write_text(source)


def run_tests(tests: tuple[str, ...], copy: Path, environment: dict[str, str]) -> tuple[int | None, str]:
    """Run these tests. Returns pytest's exit code, or None at the time limit, and what it wrote."""
    process = subprocess.Popen(
        [*PYTEST, *tests], cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = process.communicate(timeout=LIMIT_SECONDS)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        _stop(process)
        return None, ""


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=TIDY_UP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@contextmanager
def copied_checkout() -> Iterator[Path]:
    """A copy of the checkout in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(dev_servers.CHECKOUT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        yield copy


@contextmanager
def shared_environment() -> Iterator[dict[str, str]]:
    """Environment of all runs, with one PostgreSQL server for them: each run makes a database of its own.

    No bytecode is written: two sources of one size, written within a second, have the same.
    """
    folder = dev_servers.scratch_folder()
    postgres = dev_servers.Postgres(folder, durable=False)
    try:
        yield {**os.environ, "DATABASE_URL": postgres.start(), "PYTHONDONTWRITEBYTECODE": "1"}
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def chosen(count: int | None = None, seed: int | None = None, guard: str = "") -> list[Mutation]:
    """So many mutations at random, in the table's order, of those whose guard's name contains `guard`; or all those."""
    named = [mutation for mutation in MUTATIONS if guard in mutation.guard]
    if count is None:
        return named
    return [named[index] for index in sorted(random.Random(seed).sample(range(len(named)), min(count, len(named))))]


def judge_all(mutations: list[Mutation]) -> bool:
    """Judge each mutation and report it. Returns whether all were killed, by tests that pass without a mutation."""
    with copied_checkout() as copy, shared_environment() as environment:
        results = []
        for mutation in mutations:
            results.append(judge(mutation, copy, environment))
            print("{0.verdict:14} {0.mutation.guard}: {0.by}".format(results[-1]), flush=True)
        killed = [result for result in results if result.verdict is Verdict.KILLED]
        print(f"{len(killed)} of {len(results)} mutations killed.")
        return len(killed) == len(results) and _pass_unchanged(killed, copy, environment)


def _pass_unchanged(killed: list[Result], copy: Path, environment: dict[str, str]) -> bool:
    code, output = run_tests(tuple(sorted({result.by for result in killed})), copy, environment)
    if code != PASSED:
        print(f"Of the tests that noticed, one fails without any mutation, too:\n{output}")
    return code == PASSED


def main() -> None:
    parser = argparse.ArgumentParser(description="Break guards, and see that a test fails for each.")
    parser.add_argument("--count", type=int, help="so many at random; default: all")
    parser.add_argument("--seed", type=int, help="of the random choice")
    parser.add_argument("--guard", default="", help="only those whose guard's name contains this text")
    options = parser.parse_args()
    sys.exit(0 if judge_all(chosen(options.count, options.seed, options.guard)) else 1)


if __name__ == "__main__":
    main()
