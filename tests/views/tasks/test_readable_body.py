"""Bodies on the page: JSON is indented, and no token of it is changed."""

from __future__ import annotations

import json

import pytest

from views.tasks.attempts import BodyFormat

REVEALED = BodyFormat(revealed=True)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            b'{"a":1.10,"b":[],"c":{"d":[1,2]}}',
            '{\n  "a": 1.10,\n  "b": [],\n  "c": {\n    "d": [\n      1,\n      2\n    ]\n  }\n}',
        ),
        (b'{"a":"}, [\\""}', '{\n  "a": "}, [\\""\n}'),
        (b"12345678901234567890123", "12345678901234567890123"),
        (b"not json {", "not json {"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"[" * 60 + b"]" * 60, "[" * 60 + "]" * 60),
    ],
)
def test_json_is_indented_without_changing_a_token(content, text):
    assert REVEALED.format_body(content) == text


def test_indented_json_is_the_same_json():
    document = {"é": [1, {"x": None}], "deep": {"a": {"b": "c, d: [e]"}}, "empty": {}}

    assert json.loads(REVEALED.format_body(json.dumps(document).encode())) == document
