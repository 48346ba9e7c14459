"""Personal data: addresses, numbers, identities. Where readings of a number overlap, the surest one is reported.

A name by itself is nobody's: rules that say `beside` count only near so many validated findings. They are looked for last, in what
lies around those findings, so that texts without any pay nothing for them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from decontam.rules import Beside
from decontam.scan import Scanner, finding, findings, strongest
from decontam.types import Finding, Span, Strength
from decontam.view import View


@dataclass(frozen=True)
class Pii:
    scanner: Scanner
    companions: Scanner | None = None
    """The rules that say `beside`."""
    name: str = "pii"

    accompanied: ClassVar[bool] = True

    @classmethod
    def load(cls, options: Mapping[str, Any], scanner: Scanner, companions: Scanner | None = None) -> Pii:
        return cls(scanner, companions)

    def inspect(self, view: View) -> list[Finding]:
        found = findings(self.name, self.scanner, view)
        if self.companions is None or not found:
            return found
        kinds = {rule.kind for rule in self.companions.rules}
        sure = [each.span for each in found if each.strength >= Strength.STRONG and each.kind not in kinds]
        beside = list(_beside(view, sure, self.companions))
        return _surest(found, beside) if beside else found


def _surest(found: list[Finding], beside: list[Finding]) -> list[Finding]:
    """Both, in the order of the text: what is sure by itself, then what is so beside it, then what neither overlaps."""
    sure = [each for each in found if each.strength >= Strength.STRONG]
    taken = [each.span for each in sure]
    accepted = [each for each in beside if not _overlaps(taken, each.span)]
    near = [each.span for each in accepted]
    unsure = [each for each in found if each.strength < Strength.STRONG and not _overlaps(near, each.span)]
    return sorted([*sure, *accepted, *unsure], key=lambda each: each.span)


def _overlaps(spans: Sequence[Span], span: Span) -> bool:
    """Whether one of the spans, which are sorted and apart, overlaps it."""
    after = bisect_left(spans, span.end, key=lambda each: each.start)
    return after > 0 and spans[after - 1].end > span.start


def is_beside(span: Span, sure: Sequence[Span], beside: Beside) -> bool:
    """Whether so many of the sorted spans `sure` lie so near.

    >>> is_beside(Span(10, 20), [Span(0, 5), Span(30, 40)], Beside(2, 10)), is_beside(Span(10, 20), [Span(0, 5)], Beside(2, 10))
    (True, False)
    """
    first = bisect_left(sure, span.start - beside.characters, key=lambda each: each.end)
    return bisect_right(sure, span.end + beside.characters, key=lambda each: each.start) - first >= beside.findings


def _windows(sure: Sequence[Span], characters: int, size: int) -> Iterator[Span]:
    """What lies so near to the spans; windows never overlap."""
    start = end = -1
    for span in sure:
        if span.start - characters > end:
            if end >= 0:
                yield Span(max(0, start), min(end, size))
            start = span.start - characters
        end = max(end, span.end + characters)
    if end >= 0:
        yield Span(max(0, start), min(end, size))


def _beside(view: View, sure: Sequence[Span], companions: Scanner) -> Iterator[Finding]:
    rules = [(rule, rule.beside) for rule in companions.rules if rule.beside is not None]
    if len(sure) < min(beside.findings for _, beside in rules):
        return
    farthest = max(beside.characters for _, beside in rules)
    for start, end in _windows(sure, farthest, len(view.text)):
        part = View(view.field._replace(text=view.text[start:end]), view.language)
        near = []
        for match in companions.find(part):
            moved = Span(match.span.start + start, match.span.end + start)
            if match.rule.beside is not None and is_beside(moved, sure, match.rule.beside):
                near.append(match._replace(span=moved))
        yield from (finding(match, view) for match in strongest(near))
