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
    for chatty in ("apscheduler", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
