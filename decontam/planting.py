"""Planting: how much of what an index knows is found again, measured on passages that are put into other texts and changed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from decontam.injection import passages, variants
from decontam.types import Reference, Span, Strength
from decontam.view import View

if TYPE_CHECKING:
    from decontam.passages import Passages

T = TypeVar("T")
_HOST = 20_000  # characters of a text that a passage is planted in


_SAME = 0.98  # of a passage: so much of it another text has that is named as well


class Planted(NamedTuple):
    """A text with a passage of a reference in it, at `span`."""

    reference: Reference
    passage: str
    change: str
    words: int
    text: str
    span: Span


class Row(NamedTuple):
    """One change and one length. `out`: texts that a conclusive finding takes out; `right`: of those found, with the text named."""

    change: str
    words: int
    passages: int
    found: int
    out: int
    right: int


class Clean(NamedTuple):
    """Texts as they are: how many hold a finding, a conclusive one; and the references that were named, with how often."""

    texts: int
    found: int
    out: int
    named: list[tuple[str, int]]


def drawn(items: Iterable[T], count: int, seed: int) -> list[T]:
    """So many of any number of items, each as likely as the others, in an order that the seed makes."""
    draw = random.Random(seed)
    chosen: list[T] = []
    for number, item in enumerate(items):
        if number < count:
            chosen.append(item)
        elif (place := draw.randrange(number + 1)) < count:
            chosen[place] = item
    draw.shuffle(chosen)
    return chosen


def planted(references: Sequence[Reference], texts: Sequence[str], lengths: Sequence[int], count: int, seed: int) -> Iterator[Planted]:
    """For each length, `count` passages (fewer where references are too short) in every change, each in the middle of a text."""
    draw = random.Random(seed)
    for words in lengths:
        made = 0
        for reference in references:
            whole = list(passages(reference.text, words))
            if not whole:
                continue
            passage = draw.choice(whole)
            host = draw.choice(texts)[:_HOST] if texts else ""
            middle = _border(host)
            for change, changed in [("verbatim, alone", passage), *variants(passage, seed + made)]:
                before, after = ("", "") if change == "verbatim, alone" else (host[:middle], host[middle:])
                span = Span(len(before), len(before) + len(changed))
                yield Planted(reference, passage, change, words, before + changed + after, span)
            made += 1
            if made == count:
                break


def _border(text: str) -> int:
    """The end of the line closest to the middle."""
    middle = len(text) // 2
    return text.find("\n", middle) + 1 or middle


def measured(stage: Passages, plants: Iterable[Planted]) -> list[Row]:
    """What a stage finds of them, in the order in which changes and lengths came."""
    counts: dict[tuple[str, int], list[int]] = {}
    holders: dict[str, set[int]] = {}
    for plant in plants:
        tally = counts.setdefault((plant.change, plant.words), [0, 0, 0, 0])
        tally[0] += 1
        start, end = plant.span
        found = [each for each in stage.inspect(View.of(plant.text)) if each.span.start < end and start < each.span.end]
        if not found:
            continue
        tally[1] += 1
        tally[2] += max(each.strength for each in found) == Strength.CONCLUSIVE
        best = max(found, key=lambda each: (each.strength, each.detail["words"]))
        if best.detail["id"] == plant.reference.id and best.detail["source"] == plant.reference.source:
            tally[3] += 1
        else:
            tally[3] += _same(stage, plant.passage, (best.detail["source"], best.detail["id"]), holders)
    return [Row(*name, *tally) for name, tally in counts.items()]


def _same(stage: Passages, passage: str, named: tuple[str, str], holders: dict[str, set[int]]) -> bool:
    """Whether the text that was named holds the passage as well, word for word as far as words count."""
    from decontam.known import matches, worth_of
    from decontam.shingles import shingles, units
    from decontam.tokens import tokenised
    from decontam.view import encode

    index, mix = stage.indexes[0]
    if passage not in holders:
        given = units(tokenised(encode(passage)))
        enough = _SAME * worth_of(given)
        holders[passage] = {match.row for match in matches(given, shingles(given, mix), index, mix) if match.worth >= enough}
    return any((known.source, known.id) == named for known in map(index.known, holders[passage]))


def untouched(stage: Passages, texts: Iterable[str]) -> Clean:
    """What a stage finds in texts in which nothing was planted."""
    count = found = out = 0
    named: dict[str, int] = {}
    for text in texts:
        count += 1
        findings = stage.inspect(View.of(text))
        if findings:
            found += 1
            best = max(findings, key=lambda each: (each.strength, each.detail["words"]))
            out += best.strength == Strength.CONCLUSIVE
            name = f"{best.detail['source']} {best.detail['id']}"
            named[name] = named.get(name, 0) + 1
    return Clean(count, found, out, sorted(named.items(), key=lambda each: (-each[1], each[0]))[:20])
