"""What our own code can write down about a task: its codes and its sentences, read from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sandbox import dev_servers

PACKAGES = ("actors", "clients", "mappings", "models")
# Arguments of these are not said about a task: they are for the log, or errors of whoever calls.
ELSEWHERE = {"ValueError", "TypeError", "RuntimeError", "NotVerified", "Misconfigured", "BadToken", "Stale"}
PUT_IN = "xyz"
LOGS = {"debug", "info", "warning", "error", "exception"}
# Said of a line of an import's file, on the page of the imports; within the transport; to whoever rotates keys.
OF_OTHERS = {
    "The order it belongs to is missing.",
    "The name cannot be resolved.",
    "It was changed meanwhile, by a process that knows other keys; restart those and run this again.",
}


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((dev_servers.CHECKOUT / package).glob("*.py"))]


def sentences() -> dict[str, str]:
    """Every sentence that may end up as a task's reason, by itself, with the file that has it."""
    return {
        sentence: path.name for path in files() for sentence in _sentences(_tree(path)) if sentence not in OF_OTHERS
    }


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _sentences(tree: ast.Module) -> Iterator[str]:
    passed = _elsewhere(tree)
    for node in ast.walk(tree):
        if node not in passed and isinstance(node, ast.Constant | ast.JoinedStr) and _is_sentence(text := _whole(node)):
            yield text


def _elsewhere(tree: ast.Module) -> set[ast.AST]:
    """Docstrings, the log's words, and the parts of what is put together."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                found.add(node.value)
            case ast.Call(func=ast.Name(id=name)) if name in ELSEWHERE:
                found.update(each for part in node.args for each in ast.walk(part))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logger"), attr=name)) if name in LOGS:
                found.update(each for part in node.args for each in ast.walk(part))
            case ast.JoinedStr():
                found.update(part for part in ast.walk(node) if part is not node)
    return found


def _whole(node: ast.expr) -> str:
    """What another system has said is added to some."""
    text = spelt(node)
    return f"{text}{PUT_IN}" if text.endswith(": ") else text


def spelt(node: ast.expr) -> str:
    """The text, with something put in where the code puts something in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(spelt(part) for part in node.values)
        case ast.FormattedValue():
            return _put_in(ast.unparse(node.value))
    return ""


def _put_in(what: str) -> str:
    match what:
        case "call.system":
            return "Engage"
        case "words(answer)":
            return "."
    return CONSTANTS.get(what, PUT_IN)


def _is_sentence(text: str) -> bool:
    begins = re.match(rf"[A-Z](?![A-Z])|{PUT_IN} ", text)  # SQL is in capitals
    return begins is not None and " " in text and "\n" not in text and text.endswith((".", f": {PUT_IN}"))


def codes() -> dict[str, str]:
    """Every code that our code itself names, with the file that names it."""
    return {code: path.name for path in files() for code in _codes(_tree(path))}


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
            yield from filter(None, [node.value.value])
        if isinstance(node, ast.Call) and _name(node.func) in ("_failed", "retry_in"):
            yield from (each.value for each in node.args[3:] if isinstance(each, ast.Constant) and each.value)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _constants() -> dict[str, str]:
    """Sentences under a name of their own, which others end with."""
    return {
        target.id: node.value.value
        for path in files()
        for node in _tree(path).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


CONSTANTS = _constants()
