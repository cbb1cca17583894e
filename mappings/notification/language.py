"""Language of a notification: the customer's locale, completed by the country of the order."""

from __future__ import annotations

from mappings import Json


def mail_language(order: Json, setting: str) -> str:
    """The locale for Engage's `language`: with a country, as "sv-SE" and "en-GB" (Engage: orders, field definitions).

    Shopify's customerLocale often is a language alone; the country then is that of the delivery, or of the bill. The
    shop's setting is for orders without a locale, and gives the country where the order has none.
    """
    language, *rest = _subtags(order.get("customerLocale") or "")
    if not language:
        return setting
    if any(map(_is_region, rest)):
        return "-".join((language, *rest))
    if country := _country(order):
        return "-".join((language, *rest, country))
    return setting if _subtags(setting)[0] == language else "-".join((language, *rest))


def _subtags(locale: str) -> list[str]:
    """The parts of a locale, written as BCP 47 recommends: "EN_gb" is ["en", "GB"]."""
    language, *rest = locale.strip().replace("_", "-").split("-")
    return [language.lower(), *(_written(each) for each in rest if each)]


def _written(subtag: str) -> str:
    return {2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag)


def _is_region(subtag: str) -> bool:
    return (len(subtag) == 2 and subtag.isalpha()) or (len(subtag) == 3 and subtag.isdigit())


def _country(order: Json) -> str:
    addresses = (order.get("shippingAddress"), order.get("billingAddress"))
    return next((str(each["countryCodeV2"]) for each in addresses if each and each.get("countryCodeV2")), "")
