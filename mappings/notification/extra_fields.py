"""Extra fields of a notification: tracking, shipping method and addresses for Engage's mail."""

from __future__ import annotations

from mappings import Json, nodes


def extra_fields(order: Json, parcel: Json | None) -> dict[str, str]:
    """The texts for `extraData`, without empty ones."""
    tracking: Json = next(iter((parcel or {}).get("trackingInfo") or []), {})
    shipping = next(iter(nodes(order.get("shippingLines"))), {})
    texts = {
        "TrackingCompany": tracking.get("company"),
        "TrackingNumber": tracking.get("number"),
        "TrackingUrl": tracking.get("url"),
        "ShippingMethod": shipping.get("title"),
        "CancelReason": order.get("cancelReason"),
        **_address("Shipping", order.get("shippingAddress")),
        **_address("Billing", order.get("billingAddress")),
    }
    return {name: text for name, text in texts.items() if text}


def _address(prefix: str, address: Json | None) -> dict[str, str]:
    known = address or {}
    return {
        f"{prefix}Name": _joined(" ", known.get("firstName"), known.get("lastName")),
        f"{prefix}Company": known.get("company") or "",
        f"{prefix}Street": _joined(", ", known.get("address1"), known.get("address2")),
        f"{prefix}ZipCode": known.get("zip") or "",
        f"{prefix}City": known.get("city") or "",
        f"{prefix}Country": known.get("countryCodeV2") or "",
        f"{prefix}Phone": known.get("phone") or "",
    }


def _joined(between: str, *parts: str | None) -> str:
    return between.join(part for part in parts if part)
