"""Made-up Swedish shoppers: the same number is always the same person."""

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
    """Who has this customer number. E-mail and phone are nobody else's; one in five has no account."""
    dice = random.Random(number)
    woman = dice.random() < 0.5
    first_name, last_name = dice.choice(WOMEN if woman else MEN), dice.choice(SURNAMES)
    zip_code, city = dice.choice(CITIES)
    has_phone = dice.random() < 0.7
    return CustomerDetails(
        first_name=first_name,
        last_name=last_name,
        email=f"{first_name}.{last_name}.{number}@example.com".lower().translate(TO_ASCII),
        phone=f"+46700{number:06d}" if has_phone else None,
        address1=f"{dice.choice(STREETS)} {dice.randint(1, 90)}",
        zip_code=zip_code,
        city=city,
        account=dice.random() < 0.8,
        accepts_email=dice.random() < 0.6,
        accepts_sms=has_phone and dice.random() < 0.4,
        gender=dice.choice(("female" if woman else "male", None)),
    )
