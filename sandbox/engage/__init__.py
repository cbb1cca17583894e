"""A Voyado Engage on loopback: the parts of its API that the connector calls, in memory. See `sandbox/README.md`."""

from sandbox.engage.call_log import CallLog, LoggedCall
from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http.messages import ApiResponse
from sandbox.engage.http.server import Engage

__all__ = ["ApiResponse", "CallLog", "Engage", "Fault", "Faults", "LoggedCall"]
