"""Passages: what a text has in common with the references of indexes, all in all, and what findings that makes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from decontam import tokens
from decontam.indexes import UNITS, Index
from decontam.known import SHORT, exact_digest, matches, worth_of
from decontam.shingles import Mix, Units, shingles, units
from decontam.tokens import Tokens
from decontam.types import Finding, Span, Strength
from decontam.view import View, character_offsets

_OVERLAP = 2048  # tokens that two pieces of a long text share, so that a passage across their border is seen
_TOGETHER = 400  # bytes between matches of one passage
_REPEATED = 0.5  # of a match that was counted before: the same passage once more
_EXPLAINED = 0.8  # of a match that a better reference claims
_MOST = 32  # findings of one index in one text

KIND = "KNOWN_TEXT"


class Threshold(Protocol):
    """What a reference and a text must have in common; see `stages.known`."""

    @property
    def strength(self) -> Strength: ...
    @property
    def words(self) -> float: ...
    @property
    def evidence(self) -> float: ...
    @property
    def agreement(self) -> float: ...
    @property
    def share(self) -> float: ...
    @property
    def whole(self) -> bool: ...


class _Passage(NamedTuple):
    """A match, in bytes of the whole text."""

    row: int
    start: int
    end: int
    known_start: int
    known_end: int
    worth: int
    of: int
    """What all units from the first to the last that agree are worth."""
    shingles: int
    evidence: float
    exact: bool


class _Claims:
    """The bytes of a text that some reference explains."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def share(self, start: int, end: int) -> float:
        at = max(0, bisect_right(self._starts, start) - 1)
        covered = 0
        while at < len(self._starts) and self._starts[at] < end:
            covered += max(0, min(end, self._ends[at]) - max(start, self._starts[at]))
            at += 1
        return covered / (end - start)

    def add(self, start: int, end: int) -> None:
        first = bisect_right(self._ends, start - 1)
        last = bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]


class _Told(NamedTuple):
    """What a reference and a text have in common, passages that are repeated counted once."""

    worth: int
    of: int
    shingles: int
    evidence: float
    exact: bool

    @property
    def words(self) -> float:
        """Words that agree, less the share of them that is common."""
        return self.worth / 8 * (self.evidence / self.shingles if self.shingles else 0.0)

    @property
    def agreement(self) -> float:
        return self.worth / self.of if self.of else 0.0


def _told(passages: Iterable[_Passage]) -> _Told:
    seen = _Claims()
    worth = of = shingles = 0
    evidence, exact = 0.0, False
    for each in sorted(passages, key=lambda each: (-each.worth, each.start)):
        exact |= each.exact
        if seen.share(each.known_start, each.known_end) < _REPEATED:
            seen.add(each.known_start, each.known_end)
            worth, of, shingles, evidence = worth + each.worth, of + each.of, shingles + each.shingles, evidence + each.evidence
    return _Told(worth, of, shingles, evidence, exact)


def _together(passages: Iterable[_Passage]) -> Iterator[tuple[int, int, int, int]]:
    """Matches that are close to each other as one: bytes of the text, units of the reference."""
    current: tuple[int, int, int, int] | None = None
    for each in sorted(passages, key=lambda each: each.start):
        if current is not None and each.start - current[1] <= _TOGETHER:
            current = current[0], max(current[1], each.end), min(current[2], each.known_start), max(current[3], each.known_end)
        else:
            if current is not None:
                yield current
            current = each.start, each.end, each.known_start, each.known_end
    if current is not None:
        yield current


@dataclass(frozen=True, eq=False)
class Passages:
    """Looks for the texts of indexes, each with the mix of its key. The first threshold that is met says how strong a finding is."""

    indexes: tuple[tuple[Index, Mix], ...]
    thresholds: tuple[Threshold, ...]
    name: str = "known"

    def inspect(self, view: View) -> list[Finding]:
        found: list[list[_Passage]] = [[] for _ in self.indexes]
        texts = []
        for read, given in _pieces(view):
            texts.append(given)  # what two pieces share is counted twice: a hundredth
            prints: dict[str | None, Any] = {}
            for passages, (index, mix) in zip(found, self.indexes, strict=True):
                if mix.id not in prints:
                    prints[mix.id] = shingles(given, mix)
                passages.extend(_passages(read, given, prints[mix.id], index, mix))
        findings: list[Finding] = []
        for passages, (index, _) in zip(found, self.indexes, strict=True):
            if passages:
                worth = sum(worth_of(each) for each in texts)
                findings += self._findings(view, index, passages, worth)
        return findings

    def _findings(self, view: View, index: Index, passages: Iterable[_Passage], worth: int) -> list[Finding]:
        by_row: dict[int, list[_Passage]] = {}
        for passage in passages:
            by_row.setdefault(passage.row, []).append(passage)
        weighed = []
        for row, mine in by_row.items():
            told = _told(mine)
            strength = self._strength(told, told.worth / max(1, min(int(index["rows"]["worth"][row]), worth)))
            if strength is not None:
                weighed.append((-told.worth, -told.evidence, row, told, strength))
        claims, findings = _Claims(), list[Finding]()
        for _, _, row, told, strength in sorted(weighed, key=lambda each: each[:3]):
            mine = [each for each in by_row[row] if claims.share(each.start, each.end) < _EXPLAINED]
            if not mine:
                continue
            for each in mine:
                claims.add(each.start, each.end)
            findings += self._of(view, index, row, mine, told, strength, worth)
            if len(findings) >= _MOST:
                break
        return findings[:_MOST]

    def _strength(self, told: _Told, share: float) -> Strength | None:
        for each in self.thresholds:
            enough = told.words >= each.words and told.evidence >= each.evidence and told.agreement >= each.agreement
            if enough and share >= each.share and (told.exact or not each.whole):
                return each.strength
        return None

    def _of(self, view: View, index: Index, row: int, passages: Sequence[_Passage], told: _Told, strength: Strength,
            worth: int) -> Iterator[Finding]:  # fmt: skip
        known, given = index.known(row), index["rows"][row]
        of_known, of_text = min(1.0, told.worth / max(1, int(given["worth"]))), min(1.0, told.worth / max(1, worth))
        detail: dict[str, Any] = {
            "id": known.id, "source": known.source, "start": known.start, "end": known.end, "part": known.part,
            "of_known": round(of_known, 4), "of_text": round(of_text, 4), "words": told.worth // 8, "rare_words": round(told.words),
            "shingles": told.shingles, "evidence": round(told.evidence, 2),
        }  # fmt: skip
        detail |= {name: value for name, value in (("model", known.model), ("time", known.time)) if value is not None}
        if known.copies > 1:
            detail["copies"] = known.copies
        together = list(_together(passages))
        passed = int(given["piece"]) * UNITS
        at = character_offsets(view.data, (offset for each in together for offset in each[:2]))
        for start, end, first, last in together:
            span = Span(at[start], at[end])
            units = {"units": [passed + first, passed + last]}
            yield Finding(view.field.path, self.name, index.name, index.digest[:12], KIND, span, strength, max(of_known, of_text),
                          known.provider, {**detail, **units})  # fmt: skip


def _pieces(view: View) -> Iterator[tuple[Tokens, Units]]:
    read = tokens.of(view)
    yield read, units(read)
    while read.next < len(view.data):
        read = tokens.tokenised(view.data, int(read.starts[-min(_OVERLAP, len(read.starts) // 2)]))
        yield read, units(read)


def _passages(read: Tokens, given: Units, prints: Any, index: Index, mix: Mix) -> Iterator[_Passage]:
    for match in matches(given, prints, index, mix):
        first, last = int(given.places[match.start]), int(given.places[match.end - 1])
        row = index["rows"][match.row]
        part = Units(*(column[match.start : match.end] for column in given))
        of = worth_of(part)
        exact = match.worth == of == int(row["worth"])
        if exact and match.end - match.start < SHORT:
            exact = exact_digest(read, first, last, mix) == int(row["exact"])
        yield _Passage(int(match.row), int(read.starts[first]), int(read.ends[last]), match.known_start, match.known_end, match.worth, of,
                       match.shingles, match.evidence, exact)  # fmt: skip
