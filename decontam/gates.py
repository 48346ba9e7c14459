"""Gates: what is looked for first, before any rule is. Where a gate stays shut, its rules cannot match.

Anchors and landmarks are looked for once, however many rules name them; around them, and nowhere else, the patterns of the
rules. Only what has too common an anchor is looked for as a pattern all over the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import re2

from decontam.folding import TRIGGERS
from decontam.landmarks import LANDMARKS
from decontam.rules import LARGEST_PROGRAM, Rule
from decontam.windows import Place

_RARE = 3  # bytes; shorter anchors stand everywhere
_CROWD = 4  # rules; an anchor of so many is worth looking for, however short
_MANY = 16  # rules; a landmark of fewer is not worth looking for, unless they have no anchors
_NEAR, _FAR = 128, 340  # characters of the longest match that is looked for around something
_SMALL_PROGRAM = 1000  # RE2 instructions of a pattern that an RE2 set of all rules can hold, and hyperscan compiles at once
_MANY_SHAPES = 8  # with so many of them RE2 is faster than hyperscan, which goes over a text once for any number

Hits = dict[int, list[Place]]
"""The rules whose gates are open, by number, and where: around these places, or anywhere if there are none."""

FOLDABLE = -1
"""Stands among rules for the triggers of `folding`."""


class Row(NamedTuple):
    """One expression to look for.

    `owners`: rules that may match where it is seen. `groups`: numbers of groups that are looked for at most `reach` characters
    around it, which may end `before` bytes earlier; anywhere where it is `endless`. `literals`: it is an alternation of literals,
    in any case. `everywhere`: each place where it ends is worth knowing; otherwise the first is enough.
    """

    expression: str
    owners: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    reach: int = 0
    before: int = 0
    endless: bool = False
    literals: bool = False
    everywhere: bool = False


Gate = tuple[Row, ...]


class Group(NamedTuple):
    """Rules that are looked for around the same things, as patterns and as bare shapes.

    `own`: the numbers of the rows that each of them is looked for around.
    """

    patterns: Gate
    shapes: Gate
    own: dict[int, tuple[int, ...]]


@dataclass
class Plan:
    """What to look for in any text, what in texts beyond ASCII alone, and which bare shapes; then, around what was seen, the groups.

    Rows are numbered through: those beyond ASCII come after the others.
    """

    anything: list[Row] = field(default_factory=list)
    beyond_ascii: list[Row] = field(default_factory=list)
    shapes: list[Row] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


Numbered = tuple[int, Rule]


def _literals(anchors: Iterable[str]) -> str:
    return "|".join(map(re2.escape, anchors))


def _side(plan: Plan, anchors: Collection[str]) -> list[Row]:
    """What cannot match in ASCII is not looked for there: rules whose anchors are all in other scripts."""
    return plan.anything if not anchors or any(map(str.isascii, anchors)) else plan.beyond_ascii


def _triggers() -> Plan:
    plan = Plan()
    for trigger in TRIGGERS:
        _side(plan, (trigger,)).append(Row(trigger, (FOLDABLE,)))
    return plan


def _by_anchors(index: int, rule: Rule) -> Row:
    return Row(_literals(rule.anchors), (index,), literals=True)


def _by_pattern(index: int, rule: Rule) -> Row:
    return Row(rule.bounded, (index,))


def re2_plan(rules: Iterable[Numbered]) -> Plan:
    """Everything in a few RE2 sets."""
    plan = _triggers()
    for index, rule in rules:
        if not rule.anchors:
            plan.shapes.append(_by_pattern(index, rule))
        elif rule.together or rule.program > _SMALL_PROGRAM or rule.gate == "anchors":
            _side(plan, rule.anchors).append(_by_anchors(index, rule))
        else:
            _side(plan, rule.anchors).append(_by_pattern(index, rule))
    return plan


def _crowded(rules: Iterable[Numbered]) -> Collection[str]:
    """Anchors that many rules share."""
    counts = Counter(anchor.lower() for _, rule in rules if not (rule.together or rule.landmark) for anchor in rule.anchors)
    return {anchor for anchor, count in counts.items() if count >= _CROWD}


class _Homes(NamedTuple):
    """Where rules are looked for: around a landmark, around their anchors (near or far), right at their anchors, or anywhere."""

    landmarks: dict[str, list[Numbered]]
    around: tuple[list[Numbered], list[Numbered]]
    at: list[Numbered]
    anywhere: list[Numbered]


def _has_landmark(rule: Rule, worthwhile: Collection[str]) -> bool:
    """Whether a rule is looked for around its landmark."""
    if not rule.landmark or rule.gate not in (None, "pattern", rule.landmark):
        return False
    return rule.landmark in worthwhile or not rule.anchors or rule.gate == rule.landmark or LANDMARKS[rule.landmark].is_one


def _homes(rules: Sequence[Numbered], refused: Collection[int]) -> _Homes:
    crowded = _crowded(rules)
    homes = _Homes({}, ([], []), [], [])
    worthwhile = {name for name, count in Counter(rule.landmark for _, rule in rules).items() if count >= _MANY}
    for index, rule in rules:
        narrow = rule.reach is not None and rule.reach <= _FAR and index not in refused
        crowd = any(anchor.lower() in crowded for anchor in rule.anchors)
        shared = crowd or rule.gate == "around" or bool(rule.held)
        common = any(len(anchor.encode()) < _RARE for anchor in rule.anchors) and rule.program <= _SMALL_PROGRAM
        if rule.together:
            homes.anywhere.append((index, rule))
        elif narrow and _has_landmark(rule, worthwhile):
            homes.landmarks.setdefault(rule.landmark, []).append((index, rule))
        elif not (rule.anchors or rule.held):
            homes.anywhere.append((index, rule))
        elif rule.gate == "anchors" or index in refused:
            homes.at.append((index, rule))
        elif not shared and ((rule.gate == "pattern" and rule.program <= LARGEST_PROGRAM) or common):
            homes.anywhere.append((index, rule))
        elif narrow and rule.program <= (LARGEST_PROGRAM if shared and not rule.held else _SMALL_PROGRAM):
            homes.around[crowd or (rule.reach or 0) > _NEAR].append((index, rule))
        else:
            homes.at.append((index, rule))
    return homes


def hyperscan_plan(rules: Sequence[Numbered], refused: Collection[int] = ()) -> Plan:
    """Anchors and landmarks, and groups of rules around them; `refused` are rules whose patterns hyperscan does not take."""
    plan = _triggers()
    homes = _homes(rules, refused)
    shapes = [(index, rule) for index, rule in homes.anywhere if not rule.anchors]
    for index, rule in homes.anywhere:
        if rule.together:
            # Its pattern names common keys; an anchor, seen once, says more. Where it stands does not matter.
            _side(plan, rule.anchors).append(_by_anchors(index, rule))
        elif not rule.anchors and (len(shapes) > _MANY_SHAPES or rule.program > _SMALL_PROGRAM or index in refused):
            plan.shapes.append(_by_pattern(index, rule))
        else:
            _side(plan, rule.anchors).append(_by_pattern(index, rule))
    for name, members in homes.landmarks.items():
        landmark, group = LANDMARKS[name], len(plan.groups)
        if landmark.is_one:
            homes.around[1].extend(members)
            continue
        reach = max(rule.reach or 0 for _, rule in members)
        rows = [Row(expression, (), (group,), reach, landmark.before, everywhere=True) for expression in landmark.seen]
        rows.append(Row(landmark.endless, (), (group,), endless=True))
        numbers = tuple(range(len(plan.anything), len(plan.anything) + len(rows)))
        plan.anything += rows
        plan.groups.append(_group(members, dict.fromkeys((index for index, _ in members), numbers)))
    marked = _marked(plan, homes)
    for members in homes.around:
        if members:
            plan.groups.append(_group(members, {index: tuple(marked[mark] for mark in _marks(rule)) for index, rule in members}))
    return plan


def _group(members: Sequence[Numbered], own: dict[int, tuple[int, ...]]) -> Group:
    patterns = [
        _by_pattern(index, rule) if rule.program <= LARGEST_PROGRAM else _by_anchors(index, rule)
        for index, rule in members
        if rule.anchors or rule.held
    ]
    shapes = [_by_pattern(index, rule) for index, rule in members if not (rule.anchors or rule.held)]
    return Group(tuple(patterns), tuple(shapes), own)


Mark = tuple[str, bool]
"""An expression, and whether it is a literal in any case."""


def _marks(rule: Rule) -> list[Mark]:
    """What a rule is looked for around."""
    if rule.held:
        return [(rule.held, False)]
    if rule.landmark and LANDMARKS[rule.landmark].is_one:
        return [(LANDMARKS[rule.landmark].core, False)]
    return [(re2.escape(anchor.lower()), True) for anchor in rule.anchors]


def _marked(plan: Plan, homes: _Homes) -> dict[Mark, int]:
    """Add a row for each anchor, or what stands for the anchors; the numbers of these rows."""
    rows: dict[Mark, Row] = {}
    for index, rule in homes.at:
        for mark in _marks(rule):
            row = rows.get(mark, Row(mark[0], literals=mark[1], everywhere=True))
            rows[mark] = row._replace(owners=(*row.owners, index))
    for group, members in enumerate(filter(None, homes.around), len(plan.groups)):
        for _, rule in members:
            for mark in _marks(rule):
                row = rows.get(mark, Row(mark[0], literals=mark[1], everywhere=True))
                rows[mark] = row._replace(groups=tuple({*row.groups, group}), reach=max(row.reach, rule.reach or 0))
    for row in rows.values():
        _side(plan, (row.expression,) if row.literals else ()).append(row)
    numbers = {id(row): number for number, row in enumerate((*plan.anything, *plan.beyond_ascii))}
    return {mark: numbers[id(row)] for mark, row in rows.items()}
