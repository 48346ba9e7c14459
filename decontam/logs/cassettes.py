"""Cassettes in YAML: one unit for each exchange, parsed for itself, so that a long one is read in little memory.

VCR for Ruby, vcrpy and go-vcr write a list of exchanges, under a key as a rule; its items begin with a dash, all at one indent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from decontam.codecs import Reader
from decontam.jsonl import line_blocks
from decontam.logs.units import MALFORMED, TOO_LARGE, Unit

_OPENING = re.compile(rb"^(?:---|version:|#|(?:http_)?interactions:|- (?:request|response|id):|-\s*$)", re.MULTILINE)
_LISTS = re.compile(rb"^(?:http_)?interactions:", re.MULTILINE)
_ITEM = re.compile(rb"( *)-(?:\s|$)")
_ALIAS = re.compile(rb"(?<=[:\-,\[] )\*[A-Za-z0-9_]+(?=[ \t]*(?:[,}\]]|$))", re.MULTILINE)
_LOADER: Any = type("_Cassette", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
_LOADER.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, _, node: _plain(loader, node))
_LOADER.add_multi_constructor("!", lambda loader, _, node: _plain(loader, node))


def _plain(loader: Any, node: Any) -> Any:
    """The value of a tag of some language as if it had none."""
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else loader.construct_mapping(node, deep=True)


def is_cassette(head: bytes) -> bool:
    """Whether a file begins like a cassette.

    >>> is_cassette(b"---\\nhttp_interactions:\\n- request:\\n"), is_cassette(b"--- a heading\\ntext")
    (True, False)
    """
    begins = _OPENING.match(head.lstrip())
    return bool(begins) and bool(_LISTS.search(head) or b"request:" in head[:4096])


def units(reader: Reader, most: int) -> Iterator[Unit]:
    """The exchanges of a cassette. `most` is in bytes of one."""
    at = start = 0
    indent: bytes | None = None
    item: list[bytes] = []
    size = 0
    for block in line_blocks(reader, most=most):
        for line in block:
            if not isinstance(line, bytes):
                with line.content:
                    at += line.size + 1
                size += line.size + 1
                continue
            match = _ITEM.match(line)
            if match and indent in (None, match.group(1)):
                if item:
                    yield _unit(item, start, size, most)
                indent = match.group(1)
                item, start, size = [], at, 0
            if indent is not None and (not line.strip() or line.startswith((indent + b" ", indent + b"-"))):
                size += len(line) + 1
                if size <= most:
                    item.append(line)
            elif item:  # the list is over: recorded_with, version
                yield _unit(item, start, size, most)
                item, indent = [], None
            at += len(line) + 1
    if item:
        yield _unit(item, start, size, most)


def _unit(lines: list[bytes], start: int, size: int, most: int) -> Unit:
    end = start + size - 1
    if size > most:
        return Unit(None, start, end, problem=TOO_LARGE, message=f"{size:,} bytes, at most {most:,} are read")
    data = b"\n".join(lines)
    try:
        try:
            value = yaml.load(data, Loader=_LOADER)  # noqa: S506 - a safe one
        except yaml.composer.ComposerError:  # a name that another exchange gave to headers of its own
            value = yaml.load(_ALIAS.sub(b"null", data), Loader=_LOADER)  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(getattr(error, "problem_mark", None), "line", 0)
        return Unit(None, start, end, problem=MALFORMED, message=f"not YAML at line {where + 1} of the exchange")
    return Unit(value[0] if isinstance(value, list) and len(value) == 1 else value, start, end)
