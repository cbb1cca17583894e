"""The tables and the questions we ask them."""

from models.evidence import Attempt, Body, Exchange, Record
from models.seen import Customer, Order, Refund, Seen
from models.shop import Shop, SignIn
from models.table import NOW, Entity, Lane, Lost, Outcome, State, Table, new_id, utcnow
from models.task import Task

__all__ = [
    "NOW",
    "Attempt",
    "Body",
    "Customer",
    "Entity",
    "Exchange",
    "Lane",
    "Lost",
    "Order",
    "Outcome",
    "Record",
    "Refund",
    "Seen",
    "Shop",
    "SignIn",
    "State",
    "Table",
    "Task",
    "new_id",
    "utcnow",
]
