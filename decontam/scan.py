"""Scanner: which rules match a text, and where.

`passes` says which rules may match, and around what; `matching` looks for each of those again, there, for its spans.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from decontam.folding import is_disguised
from decontam.gates import FOLDABLE, Hits
from decontam.matching import Compiled, candidates, clusters, compiled
from decontam.passes import ENGINE, Passes
from decontam.rules import Rule
from decontam.types import Finding, Span, Strength
from decontam.view import View, character_offsets, encode


class Match(NamedTuple):
    """A rule met its pattern, neighbours and validators at `span`, in characters of the original text."""

    rule: Rule
    span: Span
    strength: Strength
    folded: bool


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
                asked = looked_for.narrowed(data, start, end)
                if asked is None:
                    continue
                here = candidates(asked, data, start, end)
                for candidate in clusters(rule, here, data) if rule.together else here:
                    strength = asked.judge(data, candidate)
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
