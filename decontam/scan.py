"""Scanner: which rules match a text, and where.

`passes` says which rules may match; those run again, one by one in RE2, for their spans (rules gated by their anchors
only in windows around these), and only those spans meet anchors, neighbours and validators.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import re2

from decontam.folding import is_disguised
from decontam.gates import FOLDABLE, Hits
from decontam.passes import ENGINE, Passes
from decontam.patterns import head
from decontam.rules import Nearby, Rule, Within, compile_pattern
from decontam.types import Finding, Span, Strength
from decontam.validators import valid
from decontam.view import View, character_offsets, encode
from decontam.windows import Place, in_bytes, windows

_WIDEST_CHARACTER = 4  # bytes
_WIDE = 400  # characters of a match
_LONG_HEAD = 6  # bytes; what begins with less is begun too often

_CAPTURE = re.compile(r"\((?!\?)|\(\?P<")  # or a bracket that stands for itself, which only costs the second look
_FIRST_WORD = re.compile(rb"\w+|$")


class Match(NamedTuple):
    """A rule met its pattern, neighbours and validators at `span`, in characters of the original text."""

    rule: Rule
    span: Span
    strength: Strength
    folded: bool


@lru_cache(maxsize=4096)
def _words(words: tuple[str, ...]) -> Any:
    """Words in any case: spaced scripts at word boundaries, others anywhere."""
    spaced = [word for word in words if word[0].isascii() or word[0].lower() != word[0].upper()]
    others = [word for word in words if word not in spaced]
    escape = re2.escape
    parts = []
    if spaced:
        parts.append(r"(?:^|[^\pL\pN])(?:" + "|".join(map(escape, spaced)) + r")(?:$|[^\pL\pN])")
    if others:
        parts.append("|".join(map(escape, others)))
    return compile_pattern("(?i)" + "|".join(parts))


@lru_cache(maxsize=4096)
def _literals(literals: tuple[str, ...]) -> Any:
    return compile_pattern("(?i)" + "|".join(map(re2.escape, literals)))


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


def near(nearby: Nearby, data: bytes, start: int, end: int) -> bool:
    """Whether one of the words stands near the bytes `start` to `end` of UTF-8 `data`."""
    return bool(_words(nearby.words).search(_around(data, start, end, nearby.characters, nearby.before)))


def _within(within: Within, data: bytes, start: int, end: int) -> bool:
    return bool(_literals(within.anchors).search(_around(data, start, end, within.characters)))


class Candidate(NamedTuple):
    """Byte offsets of a place where a pattern matched: the whole match, and the span inside it that it is about."""

    whole: tuple[int, int]
    span: tuple[int, int]


def _holds(rule: Rule, data: bytes, whole: tuple[int, int]) -> bool:
    """Whether a match holds what the rule's gates look for."""
    if rule.anchors and not _literals(rule.anchors).search(data, *whole):
        return False
    return not rule.held or bool(compile_pattern(rule.held).search(data, *whole))


def judge(rule: Rule, data: bytes, candidate: Candidate) -> Strength | None:
    """How strong a candidate is once its anchors, neighbours and validators were asked; None where they refuse it.

    Neighbours are asked before validators: words cost 3 microseconds, a telephone number 30, an identity number 50.
    """
    span = candidate.span
    if not _holds(rule, data, candidate.whole):
        return None
    if rule.within and not _within(rule.within, data, *span):
        return None
    strength = rule.strength
    if rule.context and not near(rule.context, data, *span):
        if rule.context.required:
            return None
        strength = Strength(max(Strength.WEAK, strength - 1))
    if rule.unless and near(rule.unless, data, *span):
        return None
    if rule.validator:
        value = data[slice(*span)].decode("utf-8", "replace")
        if not all(valid(validator, value) for validator in rule.validator):
            return None
    return strength


class Compiled(NamedTuple):
    """A rule whose pattern is ready to be run: group `whole` is the pattern, `group` the span."""

    rule: Rule
    search: Callable[..., Any]
    whole: int
    group: int

    def windows(self, places: list[Place], size: int, extra: int) -> Iterable[tuple[int, int]]:
        """Where to look in a text of `size` bytes, `extra` more than characters, in which gates opened at `places`."""
        rule = self.rule
        if rule.opens:
            return [(start, size) for start, _ in places]
        # What stands side by side may go on for as long as the text: no window around an anchor is wide enough.
        if not places or rule.together or rule.reach is None:
            return ((0, size),)
        return windows(sorted(places), in_bytes(rule.reach, extra), size)


def compiled(rule: Rule) -> Compiled:
    """A rule ready to be looked for."""
    if rule.together:
        # It names what data are full of, which `re` finds ten times as fast; keys and values have nothing to go back over.
        keys = re.compile(rule.bounded.encode())
        return Compiled(rule, keys.search, 1, keys.groups)
    # Without captures RE2 needs no second look at what matched, which costs a wide pattern milliseconds.
    bare = rule.bounded == f"({rule.pattern})" and not _CAPTURE.search(rule.pattern)
    pattern = compile_pattern(rule.pattern if bare else rule.bounded)
    whole, group = (0, 0) if bare else (1, pattern.groups)
    wide = rule.reach is None or rule.reach > _WIDE
    first = head(rule.pattern).encode() if wide and not rule.not_before else b""
    search = _from(first, pattern.match) if len(first) >= _LONG_HEAD else pattern.search
    return Compiled(rule, pattern.match if rule.opens else search, whole, group)


def _from(first: bytes, match: Callable[..., Any]) -> Callable[..., Any]:
    """A search for what begins with `first`. RE2 would look for the end of a match and then backwards for where it begins, which a
    pattern of a thousand repeats makes a matter of seconds."""

    def search(data: bytes, start: int, end: int) -> Any:
        at = data.find(first, start, end)
        while at >= 0:
            found = match(data, at, end)
            if found:
                return found
            at = data.find(first, at + 1, end)
        return None

    return search


def candidates(looked_for: Compiled, data: bytes, start: int = 0, end: int | None = None) -> Iterator[Candidate]:
    """Each place between the bytes `start` and `end` where the pattern matches."""
    search, whole, group = looked_for.search, looked_for.whole, looked_for.group
    end = len(data) if end is None else end
    while match := search(data, start, end):
        span = match.span(whole)
        candidate = Candidate(span, span if group == whole else match.span(group))
        if candidate.span[0] < candidate.span[1]:
            yield candidate
        start = candidate.whole[1]


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


@dataclass(eq=False)
class Scanner:
    """All of `rules`, ready to be looked for. `engine` is "hyperscan" or "re2"; the best one there is by default."""

    rules: tuple[Rule, ...]
    engine: str = ENGINE
    _passes: Passes = field(init=False, repr=False)
    _patterns: dict[int, Compiled] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._passes = Passes(self.rules, self.engine)

    def _compiled(self, index: int) -> Compiled:
        """Patterns are compiled when they are first needed: most never are, and all of them take a second."""
        self._patterns[index] = compiled(self.rules[index])
        return self._patterns[index]

    def find(self, view: View) -> tuple[Match, ...]:
        """Every match of every rule, in the order of the text; what folding brings to light included."""
        if not view.text:
            return ()
        extra = len(view.data) - len(view.text)
        hits = self._passes(view.data, extra)
        if not hits:
            return ()
        plainly = self._spans(view.data, extra, hits, view.field.role)
        matches = [Match(rule, span, strength, False) for rule, span, strength in plainly if not rule.disguised]
        if FOLDABLE in hits and view.folded.changed:
            plain = _Occupied(matches)
            data = encode(view.folded.text)
            extra = len(data) - len(view.folded.text)
            for rule, span, strength in self._spans(data, extra, self._passes(data, extra), view.field.role):
                original = view.folded.original(*span)
                if rule.disguised and not is_disguised(view.text[slice(*original)]):
                    continue
                if not plain.overlaps(rule, original):
                    matches.append(Match(rule, original, strength, True))
        return tuple(sorted(matches, key=lambda match: (match.span, match.rule.id)))

    def _spans(self, data: bytes, extra: int, hits: Hits, role: str | None) -> list[tuple[Rule, Span, Strength]]:
        found = []
        for index, places in hits.items():
            if index == FOLDABLE or not self.rules[index].hears(role):
                continue
            looked_for = self._patterns.get(index) or self._compiled(index)
            rule = looked_for.rule
            for start, end in looked_for.windows(places, len(data), extra):
                here = candidates(looked_for, data, start, end)
                for candidate in clusters(rule, here, data) if rule.together else here:
                    strength = judge(rule, data, candidate)
                    if strength is not None:
                        found.append((rule, Span(*candidate.span), strength))
        if not found or not extra:
            return found
        at = character_offsets(data, (offset for _, span, _ in found for offset in span))
        return [(rule, Span(at[start], at[end]), strength) for rule, (start, end), strength in found]


class _Occupied:
    """Which characters each rule has matched already; the matches of one rule never overlap."""

    def __init__(self, matches: Sequence[Match]) -> None:
        self._spans: dict[str, list[Span]] = {}
        for match in matches:
            self._spans.setdefault(match.rule.name, []).append(match.span)

    def overlaps(self, rule: Rule, span: Span) -> bool:
        spans = self._spans.get(rule.name, [])
        after = bisect_left(spans, (span.end, 0))
        return after > 0 and spans[after - 1].end > span.start


def strongest(matches: Iterable[Match]) -> list[Match]:
    """Of matches that overlap, the strongest, then the longest, then the first; in the order of the text."""
    matches = list(matches)
    taken = bytearray(max((match.span.end for match in matches), default=0))
    kept: list[Match] = []
    for match in sorted(matches, key=lambda m: (-m.strength, m.span.start - m.span.end, m.span.start, m.rule.id)):
        start, end = match.span
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\1" * (end - start)
            kept.append(match)
    return sorted(kept, key=lambda match: match.span)


def finding(match: Match, view: View, **detail: Any) -> Finding:
    """What a stage reports of a match."""
    rule = match.rule
    if len(rule.provider) > 1:
        detail["providers"] = list(rule.provider)
    if match.folded:
        detail["folded"] = True
    return Finding(
        field=view.field.path,
        stage=rule.stage,
        rule=rule.id,
        revision=rule.revision,
        kind=rule.kind,
        span=match.span,
        strength=match.strength,
        provider=rule.provider[0] if rule.provider else None,
        detail=detail,
    )


def findings(stage: str, scanner: Scanner, view: View) -> list[Finding]:
    """What a stage of patterns reports: its rules' matches, of those that overlap the strongest."""
    matches = view.once(scanner, scanner.find)
    if not matches:
        return []
    return [finding(match, view) for match in strongest(match for match in matches if match.rule.stage == stage)]
