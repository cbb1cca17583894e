"""JSON diff of two bodies, field by field."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.json_diff import ABSENT, count_values, diff, json_equal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"]),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.sampled_from("abcd"), below, max_size=4),
    max_leaves=12,
)


def found(before, after):
    return [(each.path, each.before, each.after) for each in diff(before, after)]


def test_a_changed_field_is_named_by_its_path():
    before = {"contact": {"email": "a"}, "items": [{"sku": "1"}, {"sku": "2"}]}
    after = {"contact": {"email": "b"}, "items": [{"sku": "1"}, {"sku": "3"}]}

    assert found(before, after) == [("contact.email", "a", "b"), ("items[1].sku", "2", "3")]


def test_a_value_that_one_body_lacks_is_absent():
    assert found({"a": 1}, {"b": None}) == [("a", 1, ABSENT), ("b", ABSENT, None)]


@pytest.mark.parametrize(
    ("before", "after"), [([2, 3], [1, 2, 3]), ([1, 2], [1, 2, 3]), ([1, 3], [1, 2, 3]), ([], [1])]
)
def test_an_added_line_is_one_change(before, after):
    ((_, gone, come),) = found(before, after)

    assert gone is ABSENT
    assert come == (set(after) - set(before)).pop()


@pytest.mark.parametrize(("before", "after"), [([1, 1], [1]), ([1], [1, 1]), ([1, 2, 1, 2], [1, 2])])
def test_equal_lines_are_not_confused(before, after):
    assert len(found(before, after)) == abs(len(before) - len(after))


def test_a_removed_line_is_one_change():
    assert found({"items": [1, 2, 3]}, {"items": [1, 3]}) == [("items[1]", 2, ABSENT)]


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (Decimal("1.10"), Decimal("1.1")), (Decimal("2"), 2)])
def test_equal_numbers_are_equal_however_they_are_written(one, other):
    assert found(one, other) == []


@pytest.mark.parametrize(
    ("one", "other"), [(True, 1), (0, False), (None, False), ("1", 1), ("", None), ([], {}), (None, ABSENT)]
)
def test_values_that_json_distinguishes_differ(one, other):
    assert found(one, other) == [("", one, other)]


def test_the_single_values_are_counted():
    assert count_values({"a": 1, "b": [1, {"c": None}], "d": {}}) == 3


@given(JSON)
def test_nothing_differs_from_itself(value):
    assert found(value, value) == []


@given(JSON, JSON)
def test_bodies_are_equal_if_there_is_no_change(before, after):
    assert json_equal(before, after) is (found(before, after) == [])


@given(JSON, JSON)
def test_each_path_is_named_once(before, after):
    paths = [path for path, _, _ in found(before, after)]

    assert len(paths) == len(set(paths))


@given(JSON, JSON)
def test_removed_and_common_values_make_up_the_whole(before, after):
    lost = sum(count_values(each.before) for each in diff(before, after) if each.before is not ABSENT)
    come = sum(count_values(each.after) for each in diff(before, after) if each.after is not ABSENT)

    assert count_values(before) - lost == count_values(after) - come
