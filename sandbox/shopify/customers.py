"""Customers as Shopify stores them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.shopify.times import utc

COUNTRIES = {"SE": "Sweden", "NO": "Norway", "DK": "Denmark", "FI": "Finland", "DE": "Germany", "GB": "United Kingdom"}


@dataclass(frozen=True)
class CustomerDetails:
    """A customer's details. An `account` can be signed in to; guests have none."""

    first_name: str | None = "Ada"
    last_name: str | None = "Ek"
    email: str | None = "ada@example.com"
    phone: str | None = None
    address1: str | None = "Storgatan 1"
    address2: str | None = None
    zip_code: str | None = "222 22"
    city: str | None = "Lund"
    country_code: str = "SE"
    locale: str = "sv"
    account: bool = True
    accepts_email: bool = False
    accepts_sms: bool = False
    gender: str | None = None
    tags: tuple[str, ...] = ()
    note: str | None = None

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.first_name, self.last_name) if part)


@dataclass(frozen=True)
class Consent:
    """Whether a customer wants messages, since when, and where that was collected (SHOPIFY or OTHER)."""

    state: str
    level: str | None = None
    updated_at: datetime | None = None
    source: str | None = None

    @classmethod
    def chosen(cls, wanted: bool, at: datetime) -> Consent:
        """What the customer chose in the shop itself."""
        return cls("SUBSCRIBED" if wanted else "UNSUBSCRIBED", "SINGLE_OPT_IN", at, "SHOPIFY")


NO_EMAIL_CONSENT = Consent("NOT_SUBSCRIBED")
NO_SMS_CONSENT = Consent("NEVER_SUBSCRIBED")


@dataclass(frozen=True)
class CustomerRecord:
    """A customer of a shop."""

    shopify_id: int
    details: CustomerDetails
    created_at: datetime
    updated_at: datetime
    email_consent: Consent = field(default=NO_EMAIL_CONSENT)
    sms_consent: Consent = field(default=NO_SMS_CONSENT)

    @classmethod
    def new(cls, shopify_id: int, details: CustomerDetails, at: datetime) -> CustomerRecord:
        """A customer who is added at this instant."""
        email = Consent.chosen(True, at) if details.accepts_email else NO_EMAIL_CONSENT
        sms = Consent.chosen(True, at) if details.accepts_sms else NO_SMS_CONSENT
        return cls(shopify_id, details, at, at, email, sms)

    @property
    def gid(self) -> str:
        return f"gid://shopify/Customer/{self.shopify_id}"

    def graphql(self) -> dict[str, Any]:
        """This customer in the shape of the Admin API."""
        details = self.details
        return {
            "id": self.gid,
            "legacyResourceId": str(self.shopify_id),
            "createdAt": utc(self.created_at),
            "updatedAt": utc(self.updated_at),
            "firstName": details.first_name,
            "lastName": details.last_name,
            "displayName": details.name or details.email or "",
            "locale": details.locale,
            "note": details.note,
            "state": "ENABLED" if details.account else "DISABLED",
            "verifiedEmail": True,
            "taxExempt": False,
            "dataSaleOptOut": False,
            "tags": list(details.tags),
            "defaultEmailAddress": self._email(),
            "defaultPhoneNumber": self._phone(),
            "defaultAddress": address(details, f"gid://shopify/MailingAddress/{self.shopify_id}"),
            "metafields": {"voyado.gender": details.gender},
        }

    def _email(self) -> dict[str, Any] | None:
        if not self.details.email:
            return None
        consent = self.email_consent
        return {
            "emailAddress": self.details.email,
            "validFormat": True,
            "marketingState": consent.state,
            "marketingOptInLevel": consent.level,
            "marketingUpdatedAt": consent.updated_at and utc(consent.updated_at),
        }

    def _phone(self) -> dict[str, Any] | None:
        if not self.details.phone:
            return None
        consent = self.sms_consent
        shown = {
            "state": consent.state,
            "optInLevel": consent.level,
            "updatedAt": consent.updated_at and utc(consent.updated_at),
            "collectedFrom": consent.source,
        }
        return {"phoneNumber": self.details.phone, "smsMarketingConsent": shown}


def address(details: CustomerDetails, gid: str) -> dict[str, Any] | None:
    """The customer's postal address, or None without one."""
    if not details.address1:
        return None
    return {
        "id": gid,
        "firstName": details.first_name,
        "lastName": details.last_name,
        "company": None,
        "address1": details.address1,
        "address2": details.address2,
        "city": details.city,
        "province": None,
        "provinceCode": None,
        "zip": details.zip_code,
        "country": COUNTRIES.get(details.country_code, details.country_code),
        "countryCodeV2": details.country_code,
        "phone": details.phone,
    }
