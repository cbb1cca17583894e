"""What a mail about an order may tell besides its articles: where the parcel is, and where it goes."""

from __future__ import annotations

from mappings import Json, nodes


def extra_of(order: Json, parcel: Json | None) -> dict[str, str]:
    """Texts for the mail, without those that Shopify does not know."""
    tracking: Json = next(iter((parcel or {}).get("trackingInfo") or []), {})
    delivery = next(iter(nodes(order.get("shippingLines"))), {})
    texts = {
        "TrackingCompany": tracking.get("company"),
        "TrackingNumber": tracking.get("number"),
        "TrackingUrl": tracking.get("url"),
        "ShippingMethod": delivery.get("title"),
        "CancelReason": order.get("cancelReason"),
        **_address("Shipping", order.get("shippingAddress")),
        **_address("Billing", order.get("billingAddress")),
    }
    return {name: text for name, text in texts.items() if text}


def _address(whose: str, address: Json | None) -> dict[str, str]:
    known = address or {}
    return {
        f"{whose}Name": _joined(" ", known.get("firstName"), known.get("lastName")),
        f"{whose}Company": known.get("company") or "",
        f"{whose}Street": _joined(", ", known.get("address1"), known.get("address2")),
        f"{whose}ZipCode": known.get("zip") or "",
        f"{whose}City": known.get("city") or "",
        f"{whose}Country": known.get("countryCodeV2") or "",
        f"{whose}Phone": known.get("phone") or "",
    }


def _joined(between: str, *parts: str | None) -> str:
    return between.join(part for part in parts if part)
