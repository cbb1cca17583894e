"""Invent Swedish customers: the same number always gives the same one."""

from __future__ import annotations

import random

from sandbox.shopify.customers import CustomerDetails

WOMEN = ("Anna", "Eva", "Maria", "Karin", "Sara", "Lena", "Emma", "Elin", "Åsa", "Ingrid", "Malin", "Hanna")
MEN = ("Lars", "Anders", "Johan", "Erik", "Per", "Karl", "Jan", "Olof", "Björn", "Mats", "Göran", "Oskar")
SURNAMES = ("Andersson", "Berg", "Lindqvist", "Nyström", "Ek", "Sjöberg", "Holm", "Åkesson", "Dahl", "Öberg", "Lund")
STREETS = ("Storgatan", "Kungsgatan", "Skolgatan", "Björkvägen", "Parkvägen", "Ängsgatan", "Kyrkogatan", "Hamngatan")
CITIES = (
    ("111 22", "Stockholm"),
    ("411 05", "Göteborg"),
    ("211 20", "Malmö"),
    ("753 10", "Uppsala"),
    ("222 22", "Lund"),
    ("903 26", "Umeå"),
    ("582 24", "Linköping"),
    ("702 11", "Örebro"),
)
TO_ASCII = str.maketrans("åäöé", "aaoe")


def invented_customer(number: int) -> CustomerDetails:
    """The customer with this number. E-mail address and phone number are unique; one in five has no account."""
    chance = random.Random(number)
    woman = chance.random() < 0.5
    first_name, last_name = chance.choice(WOMEN if woman else MEN), chance.choice(SURNAMES)
    zip_code, city = chance.choice(CITIES)
    has_phone = chance.random() < 0.7
    return CustomerDetails(
        first_name=first_name,
        last_name=last_name,
        email=f"{first_name}.{last_name}.{number}@example.com".lower().translate(TO_ASCII),
        phone=f"+46700{number:06d}" if has_phone else None,
        address1=f"{chance.choice(STREETS)} {chance.randint(1, 90)}",
        zip_code=zip_code,
        city=city,
        account=chance.random() < 0.8,
        accepts_email=chance.random() < 0.6,
        accepts_sms=has_phone and chance.random() < 0.4,
        gender=chance.choice(("female" if woman else "male", None)),
    )
