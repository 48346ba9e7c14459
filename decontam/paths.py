"""Paths: where texts stand in a nested record, as `text`, `meta.body`, `messages[*].content`.

A dot goes into an object, `[*]` into each element of a list. A path that ends at a list goes on into its parts: strings,
and the `text` of objects, which is how chat APIs write content of several parts. Who said a text is told by the nearest
object around it that has a role.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from decontam.errors import ConfigError
from decontam.redaction import redacted
from decontam.types import Field, Redaction

EACH = "[*]"
_STEP = re.compile(r"\[\*\]|[^.\[\]]+")
_WHOLE = re.compile(r"(?:[^.\[\]]+)(?:\.[^.\[\]]+|\[\*\])*")
_ROLE_KEYS = ("role", "from", "author", "speaker")
# What data sets call the two sides of a conversation: OpenAI's names, ShareGPT's, and others seen on model hubs.
_ROLES = {"gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant", "ai": "assistant", "human": "user"}


def steps(path: str) -> tuple[str, ...]:
    """
    >>> steps("messages[*].content")
    ('messages', '[*]', 'content')
    """
    if not _WHOLE.fullmatch(path):
        raise ConfigError(f"{path!r} is no path; write keys joined by dots, and [*] for each element: messages[*].content")
    return tuple(_STEP.findall(path))


def _role(value: dict[str, Any], outer: str | None) -> str | None:
    for key in _ROLE_KEYS:
        said = value.get(key)
        if isinstance(said, dict):
            said = said.get("role")
        if isinstance(said, str):
            return _ROLES.get(said.lower(), said.lower())
    return outer


def texts(value: Any, way: tuple[str, ...], path: str = "", role: str | None = None) -> Iterator[Field]:
    """The strings that a path leads to.

    >>> record = {"messages": [{"role": "user", "content": "hi"}, {"from": "gpt", "content": [{"type": "text", "text": "yo"}]}]}
    >>> [(path, text, role) for path, text, role in texts(record, steps("messages[*].content"))]
    [('messages[0].content', 'hi', 'user'), ('messages[1].content[0].text', 'yo', 'assistant')]
    """
    if isinstance(value, dict):
        role = _role(value, role)
    if not way:
        yield from _parts(value, path, role)
    elif way[0] == EACH:
        for index, inner in enumerate(value if isinstance(value, list) else ()):
            yield from texts(inner, way[1:], f"{path}[{index}]", role)
    elif isinstance(value, dict) and way[0] in value:
        yield from texts(value[way[0]], way[1:], f"{path}.{way[0]}" if path else way[0], role)


def _parts(value: Any, path: str, role: str | None) -> Iterator[Field]:
    if isinstance(value, str):
        yield Field(path, value, role)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            if isinstance(part, str):
                yield Field(f"{path}[{index}]", part, role)
            elif isinstance(part, dict) and isinstance(part.get("text"), str):
                yield Field(f"{path}[{index}].text", part["text"], role)


def all_texts(value: Any, path: str = "", role: str | None = None) -> Iterator[Field]:
    """Every string value of a record.

    >>> [path for path, *_ in all_texts({"a": "x", "b": [{"c": "y"}, "z"], "n": 1})]
    ['a', 'b[0].c', 'b[1]']
    """
    if isinstance(value, str):
        yield Field(path, value, role)
    elif isinstance(value, dict):
        role = _role(value, role)
        for key, inner in value.items():
            yield from all_texts(inner, f"{path}.{key}" if path else key, role)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from all_texts(inner, f"{path}[{index}]", role)


def written(keys: tuple[str | int, ...]) -> str:
    """Keys and indices as a path.

    >>> written(("messages", 2, "content"))
    'messages[2].content'
    """
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def leads_to(way: tuple[str, ...], keys: tuple[str | int, ...]) -> bool:
    """Whether a path leads to the string at these keys and indices.

    >>> leads_to(steps("messages[*].content"), ("messages", 2, "content", 0, "text"))
    True
    """
    here, rest = keys[: len(way)], keys[len(way) :]
    fits = len(here) == len(way) and all(isinstance(k, int) if step == EACH else k == step for step, k in zip(way, here, strict=True))
    return fits and (not rest or (isinstance(rest[0], int) and rest[1:] in ((), ("text",))))


def replaced(value: Any, changes: Mapping[str, Sequence[Redaction]], path: str = "") -> Any:
    """A value with the redactions of each of its texts made; `changes` by path.

    >>> replaced({"a": ["x", "to y"]}, {"a[1]": [Redaction("a[1]", (3, 4), "<NAME>")]})
    {'a': ['x', 'to <NAME>']}
    """
    if isinstance(value, str):
        return redacted(value, changes[path]) if path in changes else value
    if not any(text.startswith(path) for text in changes):  # what is not changed may be nested too deeply for Python
        return value
    if isinstance(value, dict):
        return {key: replaced(inner, changes, f"{path}.{key}" if path else key) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, changes, f"{path}[{index}]") for index, inner in enumerate(value)]
    return value
