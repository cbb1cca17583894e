"""Extra fields of a notification: tracking, status page, shipping method and addresses for Engage's mail."""

from __future__ import annotations

from mappings import Json, nodes


def extra_fields(order: Json, parcel: Json | None) -> dict[str, str]:
    """The texts for `extraData`, without empty ones. Engage leaves their names to us."""
    shipping = next(iter(nodes(order.get("shippingLines"))), {})
    texts = {
        **_tracking((parcel or {}).get("trackingInfo") or []),
        "OrderStatusUrl": order.get("statusPageUrl"),
        "ShippingMethod": shipping.get("title"),
        "CancelReason": order.get("cancelReason"),
        **_address("Shipping", order.get("shippingAddress")),
        **_address("Billing", order.get("billingAddress")),
    }
    return {name: text for name, text in texts.items() if text}


def _tracking(packages: list[Json]) -> dict[str, str | None]:
    """Each package's company, number and link: the second's in TrackingCompany2 and so on. And all numbers in one text.

    A template that shows one package reads the names without a number.
    """
    texts: dict[str, str | None] = {}
    for position, package in enumerate(packages, 1):
        suffix = str(position) if position > 1 else ""
        texts[f"TrackingCompany{suffix}"] = package.get("company")
        texts[f"TrackingNumber{suffix}"] = package.get("number")
        texts[f"TrackingUrl{suffix}"] = package.get("url")
    numbers = [str(package["number"]) for package in packages if package.get("number")]
    return texts | ({"TrackingNumbers": ", ".join(numbers)} if len(numbers) > 1 else {})


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
