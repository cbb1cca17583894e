"""The sentences of `words.reasons`, under the name that they had."""

from words.reasons import Reason, recognised, said

__all__ = ["Reason", "recognised", "said"]
