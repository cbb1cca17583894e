"""Log lines of one shape for every process: UTC, level, where, what. Ids only, no personal data."""

from __future__ import annotations

import logging
import time

from config import config


def configure() -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=config.log_level, handlers=[handler], force=True)
    # urllib3 and peewee would quote addresses and values, and with them people.
    for chatty in ("apscheduler", "uvicorn.access", "urllib3", "peewee"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
