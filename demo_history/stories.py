"""What happens in a shop, as chains of tasks: an order is placed, a parcel goes out, a customer moves."""

from __future__ import annotations

from dataclasses import dataclass

ORDER, CUSTOMER, REFUND, PARCEL, NOTHING = "order", "customer", "refund", "parcel", ""


@dataclass(frozen=True)
class Step:
    """One task of a story: whom it is about, how long it takes, and the place of the task that starts it."""

    name: str
    about: str
    ms: int
    after: int | None = None


@dataclass(frozen=True)
class Story:
    """`weight`: how often it happens, against the others. `new`: what comes into being with it."""

    weight: float
    steps: tuple[Step, ...]
    new: tuple[str, ...] = ()


def _chain(about: str, webhook: str, index: str, sync: str) -> tuple[Step, ...]:
    return Step(webhook, about, 6), Step(index, about, 140, after=0), Step(sync, about, 310, after=1)


CUSTOMERS = _chain(CUSTOMER, "CustomerWebhook", "IndexCustomer", "SyncContact")
ORDERS = _chain(ORDER, "OrderWebhook", "IndexOrder", "SyncOrder")
REFUNDS = _chain(REFUND, "RefundWebhook", "IndexRefund", "SyncRefund")
STORIES = (
    Story(16, (*ORDERS, Step("SyncOrderNotification", ORDER, 90, after=1)), new=(ORDER,)),
    Story(9, ORDERS),
    Story(
        12,
        (
            Step("FulfillmentWebhook", PARCEL, 6),
            Step("IndexOrder", ORDER, 150, after=0),
            Step("SyncOrder", ORDER, 280, after=1),
            Step("SyncOrderFulfillmentNotification", PARCEL, 95, after=1),
        ),
        new=(PARCEL,),
    ),
    Story(14, CUSTOMERS, new=(CUSTOMER,)),
    Story(5, (*CUSTOMERS, Step("UpdateCustomerMarketingPreferences", CUSTOMER, 120, after=1)), new=(CUSTOMER,)),
    Story(4, (Step("SyncCustomerMarketingPreferences", CUSTOMER, 180),), new=(CUSTOMER,)),
    Story(3, (*REFUNDS, Step("SyncRefundNotification", REFUND, 85, after=1)), new=(REFUND,)),
    Story(20, (Step("IndexOrders", NOTHING, 220),)),
    Story(20, (Step("IndexShopCustomers", NOTHING, 240),)),
    Story(2, (Step("IndexStores", NOTHING, 190),)),
    Story(0.3, (Step("SyncShopCurrency", NOTHING, 130),)),
    Story(0.2, (Step("ShopWebhook", NOTHING, 6),)),
)

# An import is these, and a last step for each of its rows.
IMPORT_ROW = Step("SyncContact", CUSTOMER, 290)
IMPORT = (
    Step("HandleBulkImportCreateRequest", NOTHING, 12),
    Step("HandleBulkImportCreate", NOTHING, 260, after=0),
    Step("BulkOperationFinishWebhook", NOTHING, 6),
    Step("HandleBulkOperationFinish", NOTHING, 900, after=1),
    Step("ProcessBulkImportData", NOTHING, 4800, after=3),
    Step("TriggerNextBatch", NOTHING, 9, after=4),
)
