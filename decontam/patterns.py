r"""Patterns: what can be told of all the matches of a pattern without any text: how long they get, what each of them holds.

>>> longest("id-[0-9]{5,9}")
12
>>> holds("id-[0-9]{5,9}|no [0-9]{8}", "[0-9]{5}"), holds("id-[0-9]{4,9}", "[0-9]{5}")
(True, False)
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from itertools import takewhile
from typing import Any

# The parser of `re` alone tells how a pattern is built; where it lives depends on the version.
_PARSER: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
_OP: Any = import_module("re._constants" if sys.version_info >= (3, 11) else "sre_constants")

_WIDEST = 2000  # characters; what may get longer counts as endless
_BEYOND = 128  # stands for every character beyond ASCII
_ALL = (1 << _BEYOND + 1) - 1
_CATEGORIES = {
    _OP.CATEGORY_DIGIT: "0123456789",
    _OP.CATEGORY_SPACE: "\t\n\x0b\f\r ",
    _OP.CATEGORY_WORD: "".join(character for character in map(chr, range(_BEYOND)) if character.isalnum() or character == "_"),
}
_CHOICES = (_OP.LITERAL, _OP.NOT_LITERAL, _OP.ANY, _OP.IN)


@lru_cache(maxsize=8192)
def _parsed(pattern: str) -> Any:
    """The pattern as `re` reads it, a list of (operation, argument); None where RE2 and `re` do not agree on what it says.

    Classes of Unicode, which `re` has not, become any character at all.
    """
    if "[[:" in pattern or ":]]" in pattern:
        return None
    pattern = re.sub(r"\\x\{([0-9A-Fa-f]+)\}", lambda match: f"\\U{int(match[1], 16):08x}", pattern)
    pattern = re.sub(r"\\[pP](?:\{\^?\w+\}|\w)", lambda match: r"\w\W" if _in_brackets(pattern, match.start()) else r"[\w\W]", pattern)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of syntax that Python will read otherwise one day
            return _PARSER.parse(pattern)
    except (re.error, OverflowError):
        return None


def _in_brackets(pattern: str, position: int) -> bool:
    opened = None
    for match in re.finditer(r"\\.|[\[\]]", pattern[:position], re.DOTALL):
        if opened is None and match.group() == "[":
            opened = match.end() + (pattern[match.end() : match.end() + 1] == "^")
        elif match.group() == "]" and match.start() != opened:  # a bracket that comes first stands for itself
            opened = None
    return opened is not None


def longest(pattern: str) -> int | None:
    """How many characters a match can have at most; None where it may have very many, or that cannot be told."""
    tree = _parsed(pattern)
    characters = int(tree.getwidth()[1]) if tree is not None else _WIDEST
    return characters if characters < _WIDEST else None


def head(pattern: str) -> str:
    """The characters that every match begins with.

    >>> head("id-[0-9]{5}"), head("(?i)id-"), head("a|b")
    ('id-', '', '')
    """
    tree = _parsed(pattern)
    if tree is None or tree.state.flags & re.IGNORECASE:
        return ""
    return "".join(chr(argument) for _, argument in takewhile(lambda part: part[0] is _OP.LITERAL, tree))


def _mask(characters: Iterable[str]) -> int:
    mask = 0
    for character in characters:
        mask |= 1 << min(ord(character), _BEYOND)
    return mask


def _range(first: int, last: int) -> int:
    return _mask(map(chr, range(min(first, _BEYOND), min(last, _BEYOND) + 1)))


def _swapped(mask: int) -> int:
    """The same characters in either case."""
    both = mask
    for code in range(_BEYOND):
        if mask >> code & 1:
            both |= _mask(chr(code).swapcase()) | (1 << _BEYOND if chr(code) in "kKsS" else 0)  # the Kelvin sign, the long s
    return both | (_mask("kKsS") if mask >> _BEYOND else 0)


def _characters(operation: Any, argument: Any, caseless: bool) -> int:
    """The characters that may stand at one place, as a set of bits."""
    if operation is _OP.ANY:
        return _ALL
    if operation in (_OP.LITERAL, _OP.NOT_LITERAL):
        mask = _mask(chr(argument))
    else:
        mask = 0
        for kind, value in argument:
            if kind is _OP.LITERAL:
                mask |= _mask(chr(value))
            elif kind is _OP.RANGE:
                mask |= _range(*value)
            elif kind is _OP.CATEGORY:
                mask |= _mask(_CATEGORIES[value]) if value in _CATEGORIES else _ALL
    if caseless:
        mask = _swapped(mask)
    if operation is _OP.NOT_LITERAL or (operation is _OP.IN and argument[0][0] is _OP.NEGATE):
        # Of the characters beyond ASCII some are always left over.
        return _ALL & ~mask | 1 << _BEYOND
    return mask


def _frozen(tree: Any) -> tuple[Any, ...]:
    """A parsed pattern of characters, brackets, `|` and `{m,n}`, so that it can be a key."""
    frozen: list[Any] = []
    for operation, argument in tree:
        if operation in _CHOICES:
            frozen.append(_characters(operation, argument, caseless=False))
        elif operation is _OP.SUBPATTERN:
            frozen.extend(_frozen(argument[-1]))
        elif operation is _OP.BRANCH:
            frozen.append(("either", tuple(_frozen(branch) for branch in argument[1])))
        elif operation is _OP.MAX_REPEAT:
            frozen.append(("again", argument[0], int(argument[1]), _frozen(argument[2])))
        else:
            raise ValueError(f"a landmark is made of characters, brackets, alternatives and bounded repeats, not {operation}")
    return tuple(frozen)


def _next(sequence: tuple[Any, ...]) -> Iterator[tuple[int, tuple[Any, ...]] | None]:
    """What may come next in a sequence, characters and what follows them; None if it may be over."""
    if not sequence:
        yield None
        return
    first, rest = sequence[0], sequence[1:]
    if isinstance(first, int):
        yield first, rest
    elif first[0] == "either":
        for branch in first[1]:
            yield from _next(branch + rest)
    else:
        _, least, most, inner = first
        if most:
            yield from _next((*inner, ("again", max(0, least - 1), most - 1, inner), *rest))
        if not least:
            yield from _next(rest)


def _masks(sequence: tuple[Any, ...]) -> Iterator[int]:
    for item in sequence:
        if isinstance(item, int):
            yield item
        else:
            for inner in item[1] if item[0] == "either" else (item[3],):
                yield from _masks(inner)


_SEEN = -1


class _Watch:
    """An automaton that has seen a landmark or not, fed with sets of characters that may come next. Its states are numbers."""

    def __init__(self, landmark: str) -> None:
        self._whole = _frozen(_parsed(landmark))
        masks = set(_masks(self._whole))
        blocks: dict[tuple[int, ...], int] = {}  # characters that the landmark does not tell apart
        for code in range(_BEYOND + 1):
            key = tuple(mask >> code & 1 for mask in masks)
            blocks[key] = blocks.get(key, 0) | 1 << code
        self._blocks = tuple(blocks.values())
        self._numbers: dict[frozenset[tuple[Any, ...]], int] = {frozenset([self._whole]): 0}
        self._sequences = list(self._numbers)  # of each state: those that would complete the landmark
        self._steps: dict[tuple[int, int], int] = {}
        self._fed: dict[tuple[frozenset[int], int], frozenset[int]] = {}

    def _step(self, state: int, block: int) -> int:
        after = {self._whole}
        for sequence in self._sequences[state]:
            after.update(following[1] for following in _next(sequence) if following and following[0] & block)
        if any(following is None for sequence in after for following in _next(sequence)):
            return _SEEN
        number = self._numbers.setdefault(frozenset(after), len(self._sequences))
        if number == len(self._sequences):
            self._sequences.append(frozenset(after))
        return number

    def feed(self, states: frozenset[int], mask: int) -> frozenset[int]:
        """The states that are possible after one of the characters, where the landmark is not complete yet."""
        known = self._fed.get((states, mask))
        if known is None:
            steps = [(state, block) for state in states for block in self._blocks if block & mask]
            for step in steps:
                if step not in self._steps:
                    self._steps[step] = self._step(*step)
            known = self._fed[states, mask] = frozenset(self._steps[step] for step in steps) - {_SEEN}
        return known


def _walk(tree: Any, watch: _Watch, states: frozenset[int], caseless: bool) -> frozenset[int]:
    """The states in which the landmark may still be missing behind a piece of a pattern."""
    for operation, argument in tree:
        if operation in _CHOICES:
            states = watch.feed(states, _characters(operation, argument, caseless))
        elif operation is _OP.SUBPATTERN:
            _, on, off, inner = argument
            states = _walk(inner, watch, states, (caseless or bool(on & re.IGNORECASE)) and not off & re.IGNORECASE)
        elif operation is _OP.BRANCH:
            states = frozenset().union(*(_walk(branch, watch, states, caseless) for branch in argument[1]))
        elif operation in (_OP.MAX_REPEAT, _OP.MIN_REPEAT):
            states = _again(argument, watch, states, caseless)
        elif operation is not _OP.AT:
            raise ValueError(f"RE2 has no {operation}")
    return states


def _again(argument: Any, watch: _Watch, states: frozenset[int], caseless: bool) -> frozenset[int]:
    least, most, inner = argument
    for _ in range(least):
        before, states = states, _walk(inner, watch, states, caseless)
        if states == before:
            break
    for _ in range(int(most) - least):
        before, states = states, states | _walk(inner, watch, states, caseless)
        if states == before:
            break
    return states


_watch = lru_cache(maxsize=64)(_Watch)


def holds(pattern: str, landmark: str) -> bool:
    """Whether every match of a pattern holds a match of the landmark, whatever stands in it.

    A landmark is made of characters, brackets, alternatives and bounded repeats.
    """
    tree = _parsed(pattern)
    return tree is not None and not _walk(tree, _watch(landmark), frozenset([0]), bool(tree.state.flags & re.IGNORECASE))
