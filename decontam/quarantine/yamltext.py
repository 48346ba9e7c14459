"""Config files changed as text, so that comments and the order of their author stay. What cannot be done so is written anew."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_LIST = re.compile(r"^(\s*)-\s")


def edited(text: str, rows: Sequence[Mapping[str, Any]], allow: Sequence[Mapping[str, Any]], disable: Mapping[str, Sequence[str]]) -> str:
    """A config with rows before its `policy.actions`, more `policy.allow` and more rules in `stages.<stage>.disable`.

    >>> print(edited("policy:  # ours\\n  allow: []\\n", [{"rule": "pii/*", "action": "tag"}], [], {}))
    policy:  # ours
      actions:
        - {rule: pii/*, action: tag}
      allow: []
    <BLANKLINE>
    """
    had = yaml.safe_load(text) or {}
    wanted = copy.deepcopy(had)
    new = text if not text or text.endswith("\n") else f"{text}\n"
    places: list[tuple[tuple[str, ...], Sequence[Any]]] = [(("policy", "actions"), rows), (("policy", "allow"), allow)]
    places += [(("stages", stage, "disable"), ids) for stage, ids in disable.items()]
    for path, items in places:
        if items:
            _put(wanted, path, items)
            new = _inserted(new, path, items)
    try:
        same = yaml.safe_load(new) == wanted
    except yaml.YAMLError:
        same = False
    return new if same else yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True)


def _put(options: dict[str, Any], path: tuple[str, ...], items: Sequence[Any]) -> None:
    *above, last = path
    for key in above:
        if not isinstance(options.get(key), dict):
            options[key] = {}
        options = options[key]
    options[last] = [*(dict(item) if isinstance(item, Mapping) else item for item in items), *(options.get(last) or [])]


def _inserted(text: str, path: tuple[str, ...], items: Sequence[Any]) -> str:
    """The text with items at the head of the list at a path, which is made where it is missing."""
    lines = text.split("\n")
    start, end, indent = 0, len(lines), 0
    for depth, key in enumerate(path):
        at = next((n for n in range(start, end) if re.match(rf"^ {{{indent}}}{re.escape(key)}:(\s|$)", lines[n])), None)
        if at is None:
            where = start if depth else _end(lines)
            made = [f"{' ' * (indent + 2 * n)}{name}:" for n, name in enumerate(path[depth:])]
            return "\n".join([*lines[:where], *made, *_items(items, indent + 2 * len(made)), *lines[where:]])
        start, end = at + 1, _block(lines, at, indent)
        indent = _child(lines, start, end, indent)
    head, _, tail = lines[start - 1].partition(":")
    value, _, comment = tail.partition("#")
    if value.strip():  # a flow list
        listed = yaml.safe_load(value)
        again = _flow([*items, *listed])
        lines[start - 1] = f"{head}: {again}" + (f"  #{comment}" if comment else "")
        return "\n".join(lines)
    first = next((n for n in range(start, end) if lines[n].strip() and not lines[n].lstrip().startswith("#")), None)
    item = _LIST.match(lines[first]) if first is not None else None
    where = first if first is not None and item else start
    return "\n".join([*lines[:where], *_items(items, len(item[1]) if item else indent), *lines[where:]])


def _end(lines: list[str]) -> int:
    return len(lines) - 1 if lines and not lines[-1] else len(lines)


def _block(lines: list[str], at: int, indent: int) -> int:
    """Where the block ends that a key begins; a list may stand as far left as its key."""
    for number in range(at + 1, len(lines)):
        line = lines[number]
        if line.strip() and not line.lstrip().startswith("#"):
            depth = len(line) - len(line.lstrip())
            if depth < indent or (depth == indent and not _LIST.match(line)):
                return number
    return len(lines)


def _child(lines: list[str], start: int, end: int, indent: int) -> int:
    inner = (line for line in lines[start:end] if line.strip() and not line.lstrip().startswith("#"))
    first = next(inner, None)
    return len(first) - len(first.lstrip()) if first is not None else indent + 2


def _items(items: Sequence[Any], indent: int) -> list[str]:
    return [f"{' ' * indent}- {_flow(item)}" for item in items]


def _flow(value: Any) -> str:
    plain = [dict(each) if isinstance(each, Mapping) else each for each in value] if isinstance(value, list) else value
    made = yaml.safe_dump(
        dict(plain) if isinstance(plain, Mapping) else plain, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True
    )
    return made.removesuffix("\n").removesuffix("\n...")
