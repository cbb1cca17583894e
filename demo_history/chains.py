"""The chains of tasks that occur in a shop: of an order, a fulfillment, a customer, a refund, a poll."""

from __future__ import annotations

from dataclasses import dataclass

ORDER, CUSTOMER, REFUND, PARCEL, NOTHING = "order", "customer", "refund", "parcel", ""


@dataclass(frozen=True)
class ChainStep:
    """One task of a chain: its entity's kind, its duration, and the index of the task that starts it."""

    name: str
    kind: str
    ms: int
    after: int | None = None


@dataclass(frozen=True)
class TaskChain:
    """`weight`: how often it occurs, compared with the others. `new`: the kinds of entities that are new with it."""

    weight: float
    steps: tuple[ChainStep, ...]
    new: tuple[str, ...] = ()


def _chain(kind: str, webhook: str, index: str, sync: str) -> tuple[ChainStep, ...]:
    return ChainStep(webhook, kind, 6), ChainStep(index, kind, 140, after=0), ChainStep(sync, kind, 310, after=1)


CUSTOMERS = _chain(CUSTOMER, "CustomerWebhook", "IndexCustomer", "SyncContact")
ORDERS = _chain(ORDER, "OrderWebhook", "IndexOrder", "SyncOrder")
REFUNDS = _chain(REFUND, "RefundWebhook", "IndexRefund", "SyncRefund")
CHAINS = (
    TaskChain(16, (*ORDERS, ChainStep("SyncOrderNotification", ORDER, 90, after=1)), new=(ORDER,)),
    TaskChain(9, ORDERS),
    TaskChain(
        12,
        (
            ChainStep("FulfillmentWebhook", PARCEL, 6),
            ChainStep("IndexOrder", ORDER, 150, after=0),
            ChainStep("SyncOrder", ORDER, 280, after=1),
            ChainStep("SyncOrderFulfillmentNotification", PARCEL, 95, after=1),
        ),
        new=(PARCEL,),
    ),
    TaskChain(14, CUSTOMERS, new=(CUSTOMER,)),
    TaskChain(
        5, (*CUSTOMERS, ChainStep("UpdateCustomerMarketingPreferences", CUSTOMER, 120, after=1)), new=(CUSTOMER,)
    ),
    TaskChain(4, (ChainStep("SyncCustomerMarketingPreferences", CUSTOMER, 180),), new=(CUSTOMER,)),
    TaskChain(3, (*REFUNDS, ChainStep("SyncRefundNotification", REFUND, 85, after=1)), new=(REFUND,)),
    TaskChain(20, (ChainStep("IndexOrders", NOTHING, 220),)),
    TaskChain(20, (ChainStep("IndexShopCustomers", NOTHING, 240),)),
    TaskChain(2, (ChainStep("IndexStores", NOTHING, 190),)),
    TaskChain(0.3, (ChainStep("SyncShopCurrency", NOTHING, 130),)),
    TaskChain(0.2, (ChainStep("ShopWebhook", NOTHING, 6),)),
)

# An import has these steps, and IMPORT_ROW for each of its rows.
IMPORT_ROW = ChainStep("SyncContact", CUSTOMER, 290)
IMPORT = (
    ChainStep("HandleBulkImportCreateRequest", NOTHING, 12),
    ChainStep("HandleBulkImportCreate", NOTHING, 260, after=0),
    ChainStep("BulkOperationFinishWebhook", NOTHING, 6),
    ChainStep("HandleBulkOperationFinish", NOTHING, 900, after=1),
    ChainStep("ProcessBulkImportData", NOTHING, 4800, after=3),
    ChainStep("TriggerNextBatch", NOTHING, 9, after=4),
)
