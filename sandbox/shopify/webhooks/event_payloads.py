"""The payloads of smaller webhooks: of shops, markets, consents, merges, privacy requests and bulk operations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sandbox.shopify.times import local, utc
from sandbox.shopify.webhooks.payload_parts import id_number

Payload = dict[str, Any]


def shop(settings: Payload) -> Payload:
    """The body of shop/update and app/uninstalled."""
    return {
        "id": id_number(settings["id"]),
        "name": settings["name"],
        "email": settings["email"],
        "domain": settings["primaryDomain"]["host"],
        "country": settings["shopAddress"]["countryCodeV2"],
        "country_code": settings["shopAddress"]["countryCodeV2"],
        "currency": settings["currencyCode"],
        "customer_email": settings["contactEmail"],
        "timezone": f"(GMT+01:00) {settings['ianaTimezone']}",
        "iana_timezone": settings["ianaTimezone"],
        "money_format": "{{amount}} kr",
        "plan_name": settings["plan"]["publicDisplayName"].lower(),
        "plan_display_name": settings["plan"]["publicDisplayName"],
        "myshopify_domain": settings["myshopifyDomain"],
        "taxes_included": settings["taxesIncluded"],
        "enabled_presentment_currencies": settings["enabledPresentmentCurrencies"],
    }


def scopes_updated(previous: Sequence[str], current: Sequence[str], settings: Payload, at: datetime) -> Payload:
    """The body of app/scopes_update."""
    return {
        "id": "gid://shopify/App/1",
        "shop_id": settings["id"],
        "previous": list(previous),
        "current": list(current),
        "updated_at": utc(at),
    }


def deleted(fields: Payload) -> Payload:
    """The body of customers/delete."""
    return {"id": int(fields["legacyResourceId"]), "tax_exemptions": [], "admin_graphql_api_id": fields["id"]}


def merged(kept: Payload, deleted: Payload) -> Payload:
    """The body of customers/merge. Its keys are Shopify's; that success is called "completed" is assumed."""
    return {
        "admin_graphql_api_customer_kept_id": kept["id"],
        "admin_graphql_api_customer_deleted_id": deleted["id"],
        "admin_graphql_api_job_id": None,
        "status": "completed",
        "errors": [],
    }


def email_consent(fields: Payload, zone: str) -> Payload:
    """The body of customers_email_marketing_consent/update."""
    email = fields["defaultEmailAddress"]
    return {
        "customer_id": int(fields["legacyResourceId"]),
        "email_address": email["emailAddress"],
        "email_marketing_consent": {
            "state": email["marketingState"].lower(),
            "opt_in_level": email["marketingOptInLevel"] and email["marketingOptInLevel"].lower(),
            "consent_updated_at": local(email["marketingUpdatedAt"], zone),
        },
    }


def sms_consent(fields: Payload, zone: str) -> Payload:
    """The body of customers_marketing_consent/update."""
    consent = fields["defaultPhoneNumber"]["smsMarketingConsent"]
    return {
        "id": int(fields["legacyResourceId"]),
        "phone": fields["defaultPhoneNumber"]["phoneNumber"],
        "sms_marketing_consent": {
            "state": consent["state"].lower(),
            "opt_in_level": consent["optInLevel"] and consent["optInLevel"].lower(),
            "consent_updated_at": local(consent["updatedAt"], zone),
            "consent_collected_from": consent["collectedFrom"] and consent["collectedFrom"].lower(),
        },
    }


def bulk_finished(operation: Payload, zone: str) -> Payload:
    """The body of bulk_operations/finish."""
    return {
        "admin_graphql_api_id": operation["id"],
        "completed_at": local(operation["completedAt"], zone),
        "created_at": local(operation["createdAt"], zone),
        "error_code": operation["errorCode"] and operation["errorCode"].lower(),
        "status": operation["status"].lower(),
        "type": operation["type"].lower(),
    }


def privacy_customer(settings: Payload, fields: Payload) -> Payload:
    """What customers/data_request and customers/redact have in common."""
    email, phone = fields["defaultEmailAddress"], fields["defaultPhoneNumber"]
    return {
        **privacy_shop(settings),
        "customer": {
            "id": int(fields["legacyResourceId"]),
            "email": email and email["emailAddress"],
            "phone": phone and phone["phoneNumber"],
        },
    }


def market(fields: Payload) -> Payload:
    """The body of markets/update. Its keys are assumed."""
    return {"id": id_number(fields["id"]), "name": fields["name"], "admin_graphql_api_id": fields["id"]}


def privacy_shop(settings: Payload) -> Payload:
    """The body of shop/redact."""
    return {"shop_id": id_number(settings["id"]), "shop_domain": settings["myshopifyDomain"]}
