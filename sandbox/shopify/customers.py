"""Customers as Shopify keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.shopify.times import utc

COUNTRIES = {"SE": "Sweden", "NO": "Norway", "DK": "Denmark", "FI": "Finland", "DE": "Germany"}


@dataclass(frozen=True)
class CustomerDetails:
    """Somebody who shops. An `account` is one that can be signed in to; guests have none."""

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
    """Whether somebody wants to be written to, since when, and who says so (SHOPIFY or OTHER)."""

    state: str
    level: str | None = None
    updated_at: datetime | None = None
    source: str | None = None

    @classmethod
    def chosen(cls, wanted: bool, at: datetime) -> Consent:
        """What the shopper chose in the shop itself."""
        return cls("SUBSCRIBED" if wanted else "UNSUBSCRIBED", "SINGLE_OPT_IN", at, "SHOPIFY")


NO_EMAILS = Consent("NOT_SUBSCRIBED")
NO_TEXTS = Consent("NEVER_SUBSCRIBED")


@dataclass(frozen=True)
class CustomerRecord:
    """A person known to a shop."""

    shopify_id: int
    person: CustomerDetails
    created_at: datetime
    updated_at: datetime
    email_consent: Consent = field(default=NO_EMAILS)
    sms_consent: Consent = field(default=NO_TEXTS)

    @classmethod
    def new(cls, shopify_id: int, person: CustomerDetails, at: datetime) -> CustomerRecord:
        """Somebody who came to the shop at this instant."""
        email = Consent.chosen(True, at) if person.accepts_email else NO_EMAILS
        sms = Consent.chosen(True, at) if person.accepts_sms else NO_TEXTS
        return cls(shopify_id, person, at, at, email, sms)

    @property
    def gid(self) -> str:
        return f"gid://shopify/Customer/{self.shopify_id}"

    def graphql(self) -> dict[str, Any]:
        """This customer in the shape of the Admin API."""
        person = self.person
        return {
            "id": self.gid,
            "legacyResourceId": str(self.shopify_id),
            "createdAt": utc(self.created_at),
            "updatedAt": utc(self.updated_at),
            "firstName": person.first_name,
            "lastName": person.last_name,
            "displayName": person.name or person.email or "",
            "locale": person.locale,
            "note": person.note,
            "state": "ENABLED" if person.account else "DISABLED",
            "verifiedEmail": True,
            "taxExempt": False,
            "dataSaleOptOut": False,
            "tags": list(person.tags),
            "defaultEmailAddress": self._email(),
            "defaultPhoneNumber": self._phone(),
            "defaultAddress": address(person, f"gid://shopify/MailingAddress/{self.shopify_id}"),
            "metafields": {"voyado.gender": person.gender},
        }

    def _email(self) -> dict[str, Any] | None:
        if not self.person.email:
            return None
        consent = self.email_consent
        return {
            "emailAddress": self.person.email,
            "validFormat": True,
            "marketingState": consent.state,
            "marketingOptInLevel": consent.level,
            "marketingUpdatedAt": consent.updated_at and utc(consent.updated_at),
        }

    def _phone(self) -> dict[str, Any] | None:
        if not self.person.phone:
            return None
        consent = self.sms_consent
        shown = {
            "state": consent.state,
            "optInLevel": consent.level,
            "updatedAt": consent.updated_at and utc(consent.updated_at),
            "collectedFrom": consent.source,
        }
        return {"phoneNumber": self.person.phone, "smsMarketingConsent": shown}


def address(person: CustomerDetails, gid: str) -> dict[str, Any] | None:
    """The person's address, or None for one who gave none."""
    if not person.address1:
        return None
    return {
        "id": gid,
        "firstName": person.first_name,
        "lastName": person.last_name,
        "company": None,
        "address1": person.address1,
        "address2": person.address2,
        "city": person.city,
        "province": None,
        "provinceCode": None,
        "zip": person.zip_code,
        "country": COUNTRIES.get(person.country_code, person.country_code),
        "countryCodeV2": person.country_code,
        "phone": person.phone,
    }
