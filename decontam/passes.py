"""The passes over a text that say which rules may match: all of them at once, as few times as possible.

Rules with anchors go to hyperscan, rules without (shapes of digits, mostly) to one RE2 set, which is faster there; what
can only stand in other scripts is looked for in texts beyond ASCII alone. Where hyperscan is missing, RE2 sets do it all:
slower, same findings.

Patterns that would make hyperscan slow or compile for ever (wide bounded gaps) are gated by their anchors instead; how
large is too large is `_LARGEST_PROGRAM`, in RE2 instructions, and `tests/bench/rules.py` prices every rule both ways.

Databases are cached on disk by the hash of what they hold; nothing compiled is ever pickled.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from typing import Any, NamedTuple

import re2

from decontam.cache import cached, key_of
from decontam.folding import DECODED, TRIGGERS
from decontam.rules import Rule, compile_pattern

try:
    import hyperscan
except ImportError:  # no wheel for this platform: RE2 does it all
    hyperscan = None  # type: ignore[assignment]

_REFUSALS: tuple[type[Exception], ...] = (hyperscan.error,) if hyperscan else ()
ENGINE = "hyperscan" if hyperscan else "re2"
"""The best engine that this platform has."""

_LARGEST_PROGRAM = 1000
_DECODED = DECODED.encode()
_ONLY_VALUE = re.compile(rb"""["']\w{1,40}["']\s{0,3}:\s{0,3}["']""")  # of a row with one key, or a row in such a row
_NESTED = 2
_LONGEST_LEAD = 64  # bytes of blanks before a row of data
_LONGEST_OPENING = 1000  # bytes
_MOST_ANSWERS = 100  # in one row; who has more of them has other traces too
_SET_MEMORY = 1 << 30  # the default, 8 MiB, flushes its DFA all the time and is 5x slower


@dataclass(frozen=True)
class Gate:
    """What a pass looks for: if expression i is seen, the rules owners[i] may have a match; -1 is a fold trigger.

    Where `anchors[i]` is set the expression is an alternation of literals in any case, and each place where one ends is
    reported; else it is a whole pattern, and one report is enough.
    """

    expressions: tuple[str, ...] = ()
    owners: tuple[tuple[int, ...], ...] = ()
    anchors: tuple[bool, ...] = ()


Hits = dict[tuple[int, ...], list[int]]
"""Rules that may have a match, with the bytes where their anchors end; an empty list means anywhere."""

FOLDABLE = (-1,)
Row = tuple[str, tuple[int, ...], bool]


def gate_of(rows: Sequence[Row]) -> Gate:
    return Gate(*(tuple(column) for column in zip(*rows, strict=True))) if rows else Gate()


def cheaper_gate(rule: Rule) -> str:
    return "pattern" if rule.program <= _LARGEST_PROGRAM else "anchors"


class Gates(NamedTuple):
    """Where each rule is looked for first: with its anchors, in ASCII or beyond it, or as a bare shape."""

    anchored: Gate
    beyond_ascii: Gate
    shapes: Gate


def gates(rules: Sequence[Rule], refused: Container[int] = ()) -> Gates:
    """Patterns that are too large, or that hyperscan `refused`, are gated by their anchors.

    What cannot match in ASCII is not looked for there: disguises, and rules whose anchors are all in other scripts.
    """
    anchored: list[Row] = []
    beyond_ascii: list[Row] = []
    shapes: list[Row] = []
    by_anchors: dict[tuple[str, ...], list[int]] = {}
    for trigger in TRIGGERS:
        (anchored if trigger.isascii() else beyond_ascii).append((trigger, FOLDABLE, False))
    for index, rule in enumerate(rules):
        if rule.opens:
            continue
        if rule.together:
            # Its pattern names common keys; an anchor, seen once, says more. Where it stands does not matter.
            side = anchored if any(map(str.isascii, rule.anchors)) else beyond_ascii
            side.append((f"(?i:{'|'.join(map(re2.escape, rule.anchors))})", (index,), False))
        elif not rule.anchors:
            shapes.append((rule.bounded, (index,), False))
        elif index not in refused and (rule.gate or cheaper_gate(rule)) == "pattern":
            side = anchored if any(map(str.isascii, rule.anchors)) else beyond_ascii
            side.append((rule.bounded, (index,), False))
        else:
            by_anchors.setdefault(rule.anchors, []).append(index)
    for anchors, owners in by_anchors.items():
        side = anchored if any(map(str.isascii, anchors)) else beyond_ascii
        side.append(("|".join(map(re2.escape, anchors)), tuple(owners), True))
    return Gates(gate_of(anchored), gate_of(beyond_ascii), gate_of(shapes))


class Re2Pass:
    def __init__(self, gate: Gate) -> None:
        options = re2.Options()
        options.max_mem = _SET_MEMORY
        options.log_errors = False
        self._owners = gate.owners
        self._set = re2.Set.SearchSet(options)
        for expression, anchors in zip(gate.expressions, gate.anchors, strict=True):
            self._set.Add((f"(?i){expression}" if anchors else expression).encode())
        self._set.Compile()

    def __call__(self, data: bytes, hits: Hits) -> None:
        for index in self._set.Match(data) or ():
            hits[self._owners[index]] = []


class HyperscanPass:
    def __init__(self, gate: Gate) -> None:
        self._owners = gate.owners
        self._everywhere = gate.anchors
        self._database = _database(gate)
        self._scratch = hyperscan.Scratch(self._database)

    def __call__(self, data: bytes, hits: Hits) -> None:
        found: defaultdict[int, list[int]] = defaultdict(list)

        def hit(index: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found[index].append(end)  # a text may be all anchors: this is all that happens for each of them

        self._database.scan(data, hit, scratch=self._scratch)
        for index, ends in found.items():
            hits.setdefault(self._owners[index], []).extend(ends if self._everywhere[index] else ())


Pass = HyperscanPass | Re2Pass


class Openings:
    """The rules for what a text begins with: looked for there alone, and where an answer begins in a row of data."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        opening = [(index, rule) for index, rule in enumerate(rules) if rule.opens]
        self._owners = [(index,) for index, _ in opening]
        keys = sorted({key for _, rule in opening for key in rule.opens})
        self._answer = compile_pattern(f"""["'](?:{"|".join(map(re2.escape, keys))})["']\\s{{0,3}}:\\s{{0,3}}["']""") if keys else None
        options = re2.Options()
        options.max_mem = _SET_MEMORY
        options.log_errors = False
        self._set = re2.Set.MatchSet(options)
        for _, rule in opening:
            self._set.Add(rule.bounded.encode())
        self._set.Compile()

    def __call__(self, data: bytes, hits: Hits) -> None:
        if self._answer is None:
            return
        starts = [0]
        if _DECODED in data:
            starts += [match.end() for match in islice(re.finditer(_DECODED, data), _MOST_ANSWERS)]
        if data[:_LONGEST_LEAD].lstrip()[:1] in (b"{", b"["):
            starts += [match.end() for match in islice(self._answer.finditer(data), _MOST_ANSWERS)]
            if data.count(b'":') <= _NESTED:
                starts += [match.end() for match in islice(_ONLY_VALUE.finditer(data), _MOST_ANSWERS)]
        for start in sorted(set(starts)):
            for index in self._set.Match(data[start : start + _LONGEST_OPENING]) or ():
                hits.setdefault(self._owners[index], []).append(start)


def _compile(gate: Gate) -> Any:
    once = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SINGLEMATCH
    everywhere = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_CASELESS
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression.encode() for expression in gate.expressions],
        ids=list(range(len(gate.expressions))),
        flags=[everywhere if anchors else once for anchors in gate.anchors],
    )
    return database


def _refused(gate: Gate) -> set[int]:
    """The rules whose patterns hyperscan does not take, alone; asked only when it did not take them all."""
    bad: set[int] = set()
    for expression, owners, anchors in zip(gate.expressions, gate.owners, gate.anchors, strict=True):
        try:
            _compile(Gate((expression,), (owners,), (anchors,)))
        except hyperscan.error:
            bad.update(owners)
    return bad


def _runs_here(dumped: bytes) -> bool:
    """Whether this processor can run the database; another machine may share the cache."""
    try:
        hyperscan.Scratch(hyperscan.loadb(dumped, hyperscan.HS_MODE_BLOCK))
    except hyperscan.error:
        return False
    return True


def _database(gate: Gate) -> Any:
    """The compiled database, from the cache where it holds one."""
    key = key_of(version("hyperscan"), *gate.expressions, *map(str, gate.anchors))
    dumped = cached(f"{key}.hs", lambda: hyperscan.dumpb(_compile(gate)), _runs_here)
    return hyperscan.loadb(dumped, hyperscan.HS_MODE_BLOCK)


class Passes:
    """The rules of a chain, ready for their first pass. `engine` is "hyperscan" or "re2"."""

    def __init__(self, rules: Sequence[Rule], engine: str) -> None:
        make: Any = HyperscanPass if engine == "hyperscan" else Re2Pass
        wanted = gates(rules)
        try:
            self._always, self._beyond_ascii = make(wanted.anchored), make(wanted.beyond_ascii)
        except _REFUSALS:
            wanted = gates(rules, _refused(wanted.anchored) | _refused(wanted.beyond_ascii))
            self._always, self._beyond_ascii = make(wanted.anchored), make(wanted.beyond_ascii)
        self._shapes = Re2Pass(wanted.shapes)
        self._openings = Openings(rules)

    def __call__(self, data: bytes) -> Hits:
        """The rules whose gate opens, by index, and FOLDABLE for text that has something to fold."""
        hits: Hits = {}
        self._always(data, hits)
        self._shapes(data, hits)
        self._openings(data, hits)
        if not data.isascii():
            self._beyond_ascii(data, hits)
        return hits
