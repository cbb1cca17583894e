"""Formats of durations and percentages."""

from __future__ import annotations

import pytest

from i18n.formats import format_duration
from views.web.formatting import format_optional_percent


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "-"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1_400, "1.4 s"),
        (185_000, "3 min 5 s"),
        (7_800_000, "2 h 10 min"),
        (10_800_000, "3 h"),
        (1_200_000, "20 min"),
        (93_600_000, "1 d 2 h"),
        (9_000_000_000, "104 d 4 h"),
    ],
)
def test_a_duration_is_written_by_its_two_greatest_units(ms, text):
    assert format_duration(ms) == text


def test_a_share_is_rounded_down_so_that_all_means_all():
    assert format_optional_percent(0.99999) == "99.9%"
    assert format_optional_percent(1.0) == "100.0%"
