"""The declared alert rules, one module each. Importing this package declares all of them."""

from importlib import import_module
from pkgutil import iter_modules

from alerts.declare import RULES, app_rules, shop_rule, shop_rules

__all__ = ["RULES", "app_rules", "shop_rule", "shop_rules"]

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")
