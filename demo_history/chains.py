"""The chains of tasks that occur in a shop: of an order, a fulfillment, a customer, a refund, a poll."""

from __future__ import annotations

from dataclasses import dataclass

from models import Entity
from taskqueue.types import TYPES, TaskType


@dataclass(frozen=True)
class ChainStep:
    """One task of a chain: its type's name, its duration, and the index of the task that starts it."""

    name: str
    ms: int
    after: int | None = None

    @property
    def task_type(self) -> TaskType:
        return TYPES[self.name]


@dataclass(frozen=True)
class TaskChain:
    """`weight`: how often it occurs, compared with the others. `new`: the entities that are new with it."""

    weight: float
    steps: tuple[ChainStep, ...]
    new: tuple[Entity, ...] = ()


def _chain(webhook: str, index: str, sync: str) -> tuple[ChainStep, ...]:
    return ChainStep(webhook, 6), ChainStep(index, 140, after=0), ChainStep(sync, 310, after=1)


CUSTOMERS = _chain("CustomerWebhook", "IndexCustomer", "SyncContact")
ORDERS = _chain("OrderWebhook", "IndexOrder", "SyncOrder")
REFUNDS = _chain("RefundWebhook", "IndexRefund", "SyncRefund")
CHAINS = (
    TaskChain(16, (*ORDERS, ChainStep("SyncOrderNotification", 90, after=1)), new=(Entity.ORDER,)),
    TaskChain(9, ORDERS),
    TaskChain(
        12,
        (
            ChainStep("FulfillmentWebhook", 6),
            ChainStep("IndexOrder", 150, after=0),
            ChainStep("SyncOrder", 280, after=1),
            ChainStep("SyncOrderFulfillmentNotification", 95, after=1),
        ),
        new=(Entity.FULFILLMENT,),
    ),
    TaskChain(14, CUSTOMERS, new=(Entity.CUSTOMER,)),
    TaskChain(5, (*CUSTOMERS, ChainStep("UpdateCustomerMarketingPreferences", 120, after=1)), new=(Entity.CUSTOMER,)),
    TaskChain(4, (ChainStep("SyncCustomerMarketingPreferences", 180),), new=(Entity.CUSTOMER,)),
    TaskChain(3, (*REFUNDS, ChainStep("SyncRefundNotification", 85, after=1)), new=(Entity.REFUND,)),
    TaskChain(20, (ChainStep("IndexOrders", 220),)),
    TaskChain(20, (ChainStep("IndexShopCustomers", 240),)),
    TaskChain(2, (ChainStep("IndexStores", 190),)),
    TaskChain(0.3, (ChainStep("SyncShopCurrency", 130),)),
    TaskChain(0.2, (ChainStep("ShopWebhook", 6),)),
)

# An import has these steps, and IMPORT_ROW for each of its rows.
IMPORT_ROW = ChainStep("SyncContact", 290)
IMPORT = (
    ChainStep("HandleBulkImportCreateRequest", 12),
    ChainStep("HandleBulkImportCreate", 260, after=0),
    ChainStep("BulkOperationFinishWebhook", 6),
    ChainStep("HandleBulkOperationFinish", 900, after=1),
    ChainStep("ProcessBulkImportData", 4800, after=3),
    ChainStep("TriggerNextBatch", 9, after=4),
)


def all_chains() -> tuple[TaskChain, ...]:
    """The chains, and for each task type that occurs in none a chain of this one task."""
    steps = (*IMPORT, IMPORT_ROW, *(step for chain in CHAINS for step in chain.steps))
    others = TYPES.keys() - {step.name for step in steps}
    return *CHAINS, *(TaskChain(1, (ChainStep(name, 100),)) for name in sorted(others))
