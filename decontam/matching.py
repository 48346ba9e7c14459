"""Matching: one rule, compiled, in one text: where its pattern matches, and what its neighbours and validators say of that."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import re2

from decontam.patterns import head
from decontam.rules import Nearby, Rule, compile_pattern
from decontam.types import Strength
from decontam.validators import valid
from decontam.windows import Place, in_bytes, windows

_WIDEST_CHARACTER = 4  # bytes
_WIDE = 400  # characters of a match
_LONG = 2000  # bytes of a window that is worth asking first whether what must be near stands anywhere near
_LONG_HEAD = 6  # bytes; what begins with less is begun too often

_CAPTURE = re.compile(r"\((?!\?)|\(\?P<")  # or a bracket that stands for itself, which only costs the second look
_FIRST_WORD = re.compile(rb"\w+|$")

Spans = Sequence[tuple[int, int]]
"""Where a pattern matched and its groups did, in bytes."""
Search = Callable[[bytes, int, int], Spans | None]
"""Looks for a pattern between two bytes of a text."""


def _searched(pattern: Any, anywhere: bool = True) -> Search:
    """A search by RE2. The class that its package puts around a pattern takes as long again to make an object of the spans."""
    anchor = re2._re2.RE2.Anchor
    match, where = pattern._regexp.Match, anchor.UNANCHORED if anywhere else anchor.ANCHOR_START

    def search(data: bytes, start: int, end: int) -> Spans | None:
        spans: Spans = match(where, data, start, end)
        return None if spans[0][0] < 0 else spans

    return search


def _from(first: bytes, match: Search) -> Search:
    """A search for what begins with `first`. RE2 would look for the end of a match and then backwards for where it begins, which a
    pattern of a thousand repeats makes a matter of seconds."""

    def search(data: bytes, start: int, end: int) -> Spans | None:
        at = data.find(first, start, end)
        while at >= 0:
            found = match(data, at, end)
            if found:
                return found
            at = data.find(first, at + 1, end)
        return None

    return search


def _by_re(pattern: re.Pattern[bytes]) -> Search:
    def search(data: bytes, start: int, end: int) -> Spans | None:
        found = pattern.search(data, start, end)
        return found and [found.span(group) for group in range(pattern.groups + 1)]

    return search


@lru_cache(maxsize=4096)
def _words(words: tuple[str, ...]) -> Search:
    """Words in any case: spaced scripts at word boundaries, others anywhere."""
    spaced = [word for word in words if word[0].isascii() or word[0].lower() != word[0].upper()]
    others = [word for word in words if word not in spaced]
    escape = re2.escape
    parts = []
    if spaced:
        parts.append(r"(?:^|[^\pL\pN])(?:" + "|".join(map(escape, spaced)) + r")(?:$|[^\pL\pN])")
    if others:
        parts.append("|".join(map(escape, others)))
    return _searched(compile_pattern("(?i)" + "|".join(parts)))


@lru_cache(maxsize=4096)
def _literals(literals: tuple[str, ...]) -> Search:
    return _searched(compile_pattern("(?i)" + "|".join(map(re2.escape, literals))))


_APART = b"\0"  # between what stands before and behind a span: no word holds it


def _around(data: bytes, start: int, end: int, characters: int, before: bool = False) -> bytes:
    left = data[max(0, start - characters) : start]
    if not left.isascii():
        left = data[max(0, start - characters * _WIDEST_CHARACTER) : start].decode("utf-8", "ignore")[-characters:].encode()
    if before:
        return left
    right = data[end : end + characters]
    if not right.isascii():
        right = data[end : end + characters * _WIDEST_CHARACTER].decode("utf-8", "ignore")[:characters].encode()
    return left + _APART + right


class Neighbours(NamedTuple):
    """What is asked of what stands around a span, so many characters to each side, or `before` it alone."""

    search: Search
    characters: int
    before: bool = False

    def stand(self, data: bytes, start: int, end: int) -> bool:
        """Whether one of them stands near the bytes `start` to `end` of UTF-8 `data`."""
        around = _around(data, start, end, self.characters, self.before)
        return self.search(around, 0, len(around)) is not None

    def stand_near(self, data: bytes, start: int, end: int) -> bool:
        """Whether one of them stands anywhere so near that it could be one of a span between two bytes."""
        reach = self.characters * _WIDEST_CHARACTER
        return self.search(data, max(0, start - reach), min(len(data), end + reach)) is not None


def neighbours(nearby: Nearby) -> Neighbours:
    """The words of a rule, ready to be looked for."""
    return Neighbours(_words(nearby.words), nearby.characters, nearby.before)


class Candidate(NamedTuple):
    """Byte offsets of a place where a pattern matched: the whole match, and the span inside it that it is about."""

    whole: tuple[int, int]
    span: tuple[int, int]


class Compiled(NamedTuple):
    """A rule whose pattern is ready to be run: group `whole` is the pattern, `group` the span.

    `held`: what the rule's gates look for, of which every match must hold each.
    """

    rule: Rule
    search: Search
    whole: int
    group: int
    held: tuple[Search, ...]
    within: Neighbours | None
    context: Neighbours | None
    unless: Neighbours | None
    needed: tuple[Neighbours, ...]
    vetoes: Neighbours | None
    """The bare words of what must stand around a span, and of what must not."""

    def windows(self, places: list[Place], size: int, extra: int) -> Iterable[tuple[int, int]]:
        """Where to look in a text of `size` bytes, `extra` more than characters, in which gates opened at `places`."""
        rule = self.rule
        if rule.opens:
            return [(start, size) for start, _ in places]
        # What stands side by side may go on for as long as the text: no window around an anchor is wide enough.
        if not places or rule.together or rule.reach is None:
            return ((0, size),)
        reach = in_bytes(rule.reach, extra)
        # In a text that is full of anchors the windows would be one.
        return windows(sorted(places), reach, size) if len(places) * reach < size else ((0, size),)

    def narrowed(self, data: bytes, start: int, end: int) -> Compiled | None:
        """The rule as it is between two bytes: without the words that veto it, where none of them is near; None where a word is nowhere
        near that must be.

        A hostile text has a candidate every few bytes, and to ask around each of them takes many times as long.
        """
        if end - start < _LONG:
            return self
        if not all(words.stand_near(data, start, end) for words in self.needed):
            return None
        return self if self.vetoes is None or self.vetoes.stand_near(data, start, end) else self._replace(unless=None)

    def judge(self, data: bytes, candidate: Candidate) -> Strength | None:
        """How strong a candidate is once its anchors, neighbours and validators were asked; None where they refuse it.

        Neighbours are asked before validators: words cost 2 microseconds, a telephone number 30, an identity number 50.
        """
        rule, span = self.rule, candidate.span
        for held in self.held:
            if not held(data, *candidate.whole):
                return None
        if self.within and not self.within.stand(data, *span):
            return None
        strength = rule.strength
        if self.context and not self.context.stand(data, *span):
            if rule.context.required:  # type: ignore[union-attr]
                return None
            strength = Strength(max(Strength.WEAK, strength - 1))
        if self.unless and self.unless.stand(data, *span):
            return None
        if rule.validator:
            value = data[slice(*span)].decode("utf-8", "replace")
            if not all(valid(validator, value) for validator in rule.validator):
                return None
        return strength


def compiled(rule: Rule) -> Compiled:
    """A rule ready to be looked for."""
    held = [_literals(rule.anchors)] if rule.anchors else []
    if rule.held:
        held.append(_searched(compile_pattern(rule.held)))
    within = Neighbours(_literals(rule.within.anchors), rule.within.characters) if rule.within else None
    context, unless = (neighbours(nearby) if nearby else None for nearby in (rule.context, rule.unless))
    needed = [within] if within else []
    if rule.context and rule.context.required:
        needed.append(Neighbours(_literals(rule.context.words), rule.context.characters))
    vetoes = Neighbours(_literals(rule.unless.words), rule.unless.characters) if rule.unless else None
    around = (tuple(held), within, context, unless, tuple(needed), vetoes)
    if rule.together:
        # It names what data are full of, which `re` finds ten times as fast; keys and values have nothing to go back over.
        keys = re.compile(rule.bounded.encode())
        return Compiled(rule, _by_re(keys), 1, keys.groups, *around)
    # Without captures RE2 needs no second look at what matched, which costs a wide pattern milliseconds.
    bare = rule.bounded == f"({rule.pattern})" and not _CAPTURE.search(rule.pattern)
    pattern = compile_pattern(rule.pattern if bare else rule.bounded)
    whole, group = (0, 0) if bare else (1, pattern.groups)
    wide = rule.reach is None or rule.reach > _WIDE
    first = head(rule.pattern).encode() if wide and not rule.not_before else b""
    here = _searched(pattern, anywhere=False)
    search = here if rule.opens else _from(first, here) if len(first) >= _LONG_HEAD else _searched(pattern)
    return Compiled(rule, search, whole, group, *around)


def candidates(looked_for: Compiled, data: bytes, start: int = 0, end: int | None = None) -> Iterator[Candidate]:
    """Each place between the bytes `start` and `end` where the pattern matches."""
    search, whole, group = looked_for.search, looked_for.whole, looked_for.group
    end = len(data) if end is None else end
    while spans := search(data, start, end):
        span = spans[group]
        if span[0] < span[1]:
            yield Candidate(spans[whole], span)
        start = spans[whole][1]


def clusters(rule: Rule, found: Iterable[Candidate], data: bytes) -> Iterator[Candidate]:
    """Each place where so many different candidates stand side by side as the rule asks for; without `together`, each."""
    if rule.together is None:
        yield from found
        return
    side_by_side: deque[tuple[int, bytes]] = deque()
    seen: dict[bytes, int] = {}
    start = end = -1
    for candidate in found:
        first, last = candidate.span
        word = _FIRST_WORD.search(data, first, last).group().lower()  # type: ignore[union-attr]
        side_by_side.append((first, word))
        seen[word] = seen.get(word, 0) + 1
        while last - side_by_side[0][0] > rule.together.bytes:
            gone = side_by_side.popleft()[1]
            seen[gone] -= 1
            if not seen[gone]:
                del seen[gone]
        if len(seen) < rule.together.distinct:
            continue
        if start >= 0 and side_by_side[0][0] > end:
            yield Candidate((start, end), (start, end))
            start = -1
        start, end = side_by_side[0][0] if start < 0 else start, last
    if start >= 0:
        yield Candidate((start, end), (start, end))
