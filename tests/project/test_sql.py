"""SQL of the app: the rows that an UPDATE or DELETE takes up to a LIMIT are selected once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.project.test_layout import APP, parsed

CHANGES_SOME = re.compile(r"(?<!FOR )\b(UPDATE|DELETE)\b.*\bLIMIT %|\bLIMIT %.*(?<!FOR )\b(UPDATE|DELETE)\b", re.DOTALL)
SELECTED_ONCE = re.compile(r"ANY\(ARRAY\(\s*SELECT|AS MATERIALIZED \(")


def sql_texts(path: Path) -> Iterator[str]:
    """Every string of a module; of an f-string its fixed parts."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_a_selection_with_a_limit_is_made_once():
    """As a subquery of IN the planner may make it again for each row, and with SKIP LOCKED the limit limits nothing."""
    limited = [(path, text) for path in APP for text in sql_texts(path) if CHANGES_SOME.search(text)]

    assert {"taskqueue/sweeper.py", "alerts/rule_states.py"} <= {str(path) for path, _ in limited}
    assert [(str(path), text) for path, text in limited if not SELECTED_ONCE.search(text)] == []
