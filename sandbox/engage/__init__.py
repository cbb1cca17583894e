"""A Voyado Engage on loopback: the parts of its API that the connector calls, in memory. See `sandbox/README.md`."""

from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http.answers import Answer
from sandbox.engage.http.server import Engage
from sandbox.engage.journal import Entry, Journal

__all__ = ["Answer", "Engage", "Entry", "Fault", "Faults", "Journal"]
