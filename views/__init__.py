"""Pages, webhooks and probes of the web process, by area."""

import actors  # noqa: F401 - declares the task types, which some views read while they are imported
