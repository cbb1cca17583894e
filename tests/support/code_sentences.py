"""The codes and reasons that our own code can store with a task, read from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sandbox import dev_servers

PACKAGES = ("actors", "clients", "mappings", "privacy", "sync", "tasklog", "taskqueue")
# Arguments of these are not stored with a task: they are for the log, or for the calling code.
NOT_STORED = {
    "ValueError",
    "TypeError",
    "RuntimeError",
    "BadSignature",
    "Misconfigured",
    "InvalidIdToken",
    "IdTokenExpired",
}
PLACEHOLDER = "xyz"
CODE_POSITIONS = {"_failed": 3, "retry_in": 4}  # of the argument that is the code
LOGS = {"debug", "info", "warning", "error", "exception"}
# For a line of an import's file, on the imports page; within the transport; for the operator who rotates keys.
OTHER_SENTENCES = {
    "The order it belongs to is missing.",
    "The name cannot be resolved.",
    "It was changed meanwhile, by a process that knows other keys; restart those and run this again.",
}


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((dev_servers.CHECKOUT / package).rglob("*.py"))]


def sentences() -> dict[str, str]:
    """Every sentence that may become a task's reason, with the file that has it."""
    return {
        sentence: path.name
        for path in files()
        for sentence in _sentences(_tree(path))
        if sentence not in OTHER_SENTENCES
    }


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _sentences(tree: ast.Module) -> Iterator[str]:
    excluded = _excluded(tree)
    for node in ast.walk(tree):
        if (
            node not in excluded
            and isinstance(node, ast.Constant | ast.JoinedStr)
            and _is_sentence(text := _sentence_text(node))
        ):
            yield text


def _excluded(tree: ast.Module) -> set[ast.AST]:
    """Docstrings, arguments of log calls, and the parts of f-strings."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                found.add(node.value)
            case ast.Call(func=ast.Name(id=name)) if name in NOT_STORED:
                found.update(each for part in node.args for each in ast.walk(part))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logger"), attr=name)) if name in LOGS:
                found.update(each for part in node.args for each in ast.walk(part))
            case ast.JoinedStr():
                found.update(part for part in ast.walk(node) if part is not node)
    return found


def _sentence_text(node: ast.expr) -> str:
    """The text of a sentence. Another system's message is appended to some."""
    text = text_of(node)
    return f"{text}{PLACEHOLDER}" if text.endswith(": ") else text


def text_of(node: ast.expr) -> str:
    """The text, with a placeholder for each value of an f-string."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(text_of(part) for part in node.values)
        case ast.FormattedValue():
            return _placeholder(ast.unparse(node.value))
    return ""


def _placeholder(what: str) -> str:
    match what:
        case "call.system":
            return "Engage"
        case "error_text(answer)":
            return "."
    return CONSTANTS.get(what, PLACEHOLDER)


def _is_sentence(text: str) -> bool:
    begins = re.match(rf"[A-Z](?![A-Z])|{PLACEHOLDER} ", text)  # SQL is in capitals
    return begins is not None and " " in text and "\n" not in text and text.endswith((".", f": {PLACEHOLDER}"))


def codes() -> dict[str, str]:
    """Every error code that our own code names, with the file that names it."""
    return {code: path.name for path in files() for code in _codes(_tree(path))}


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
            yield from filter(None, [node.value.value])
        if isinstance(node, ast.Call) and (position := CODE_POSITIONS.get(_name(node.func))):
            yield from (each.value for each in node.args[position:] if isinstance(each, ast.Constant) and each.value)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _constants() -> dict[str, str]:
    """Sentences that are constants, with which others end."""
    return {
        target.id: node.value.value
        for path in files()
        for node in _tree(path).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


CONSTANTS = _constants()
