"""Open problems: syncs whose newest outcome is an Error, so that something is missing on the other side."""

from __future__ import annotations

# As the indexes of open problems spell it (migration 0010).
UNSOLVED = ["state = 2", "closed_by IS NULL", "shopify_id IS NOT NULL"]

# The newest outcome counts: a newer task that waits or runs has solved nothing yet, nor has one that was replaced.
# As a value rather than NOT EXISTS, which would be answered for all tasks at once instead of for those of a page.
NEWEST = """(SELECT newer.id FROM task AS newer
    WHERE newer.shop_id = task.shop_id AND newer.shopify_id = task.shopify_id AND newer.id > task.id
      AND newer.type = task.type AND (newer.state = 2 OR newer.state = 1 AND newer.closed_by IS NULL)
    LIMIT 1) IS NULL"""

OPEN = [*UNSOLVED, NEWEST]
