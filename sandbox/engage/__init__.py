"""A Voyado Engage on loopback: the parts of its API that the connector calls, in memory. See `sandbox/README.md`."""

from sandbox.engage.answers import Answer
from sandbox.engage.faults import Fault, Faults
from sandbox.engage.journal import Entry, Journal
from sandbox.engage.server import Engage

__all__ = ["Answer", "Engage", "Entry", "Fault", "Faults", "Journal"]
