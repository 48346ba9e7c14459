"""The passes over a text that open gates: all of them at once, as few times as possible.

Hyperscan looks for anchors and landmarks, then for patterns around them; the shapes of digits go to an RE2 set, which is
faster with many of them. What can only stand in other scripts is looked for in texts beyond ASCII alone. Where hyperscan is
missing, RE2 sets do it all: slower, same findings. `tests/bench/rules.py` prices every rule.

Databases are cached on disk by the hash of what they hold; nothing compiled is ever pickled.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from itertools import islice
from threading import local
from typing import Any

import re2

from decontam.cache import cached, key_of
from decontam.folding import DECODED
from decontam.gates import Gate, Group, Hits, Plan, Row, hyperscan_plan, re2_plan
from decontam.rules import LARGEST_PROGRAM, Rule, compile_pattern
from decontam.windows import Place, in_bytes, near

try:
    import hyperscan
except ImportError:  # no wheel for this platform: RE2 does it all
    hyperscan = None  # type: ignore[assignment]

ENGINE = "hyperscan" if hyperscan else "re2"
"""The best engine that this platform has."""

_DECODED = DECODED.encode()
_ONLY_VALUE = re.compile(rb"""["']\w{1,40}["']\s{0,3}:\s{0,3}["']""")  # of a row with one key, or a row in such a row
_ROWS = (b"{", b"[")
_NESTED = 2
_LONGEST_LEAD = 64  # bytes of blanks before a row of data
_LONGEST_OPENING = 1000  # bytes
_MOST_ANSWERS = 100  # in one row; who has more of them has other traces too
_SET_MEMORY = 1 << 30  # the default, 8 MiB, flushes its DFA all the time and is 5x slower
_MARGIN = 8  # bytes on each side of a window: neighbours, and characters that it would cut


class Re2Pass:
    """Which of the rows are seen in a text."""

    def __init__(self, gate: Sequence[Row]) -> None:
        options = re2.Options()
        options.max_mem = _SET_MEMORY
        options.log_errors = False
        self._owners = [row.owners for row in gate]
        self._set = re2.Set.SearchSet(options)
        for row in gate:
            self._set.Add((f"(?i){row.expression}" if row.literals else row.expression).encode())
        self._set.Compile()

    def __call__(self, data: bytes, hits: Hits) -> None:
        if self._owners:
            for number in self._set.Match(data) or ():
                for owner in self._owners[number]:
                    hits[owner] = []


Seen = defaultdict[int, list[int]]
"""Where rows were seen, by their numbers: the bytes where they end, or the first one where that is enough."""


def _noted(index: int, _start: int, end: int, _flags: int, seen: Seen) -> None:
    seen[index].append(end)  # a text may be all anchors: this is all that happens for each of them


class HyperscanPass:
    """Where each of the rows is seen in a text; they are numbered from `first` on."""

    def __init__(self, gate: Sequence[Row], first: int = 0) -> None:
        self._database = _database(tuple(gate), first) if gate else None
        self._own = local()

    def __call__(self, data: bytes, seen: Seen) -> None:
        if self._database is not None:
            self._database.scan(data, _noted, context=seen, scratch=self._scratch())

    def _scratch(self) -> Any:
        """What hyperscan writes to while it scans; hosts share one chain between threads, which must not share this."""
        try:
            return self._own.scratch
        except AttributeError:
            self._own.scratch = hyperscan.Scratch(self._database)
            return self._own.scratch


class Around:
    """The rules of a group, looked for around what was seen of it."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._patterns = HyperscanPass(group.patterns)
        self._shapes = Re2Pass(group.shapes) if group.shapes else None

    def __call__(self, data: bytes, stretches: list[Place], extra: int) -> list[int]:
        """The rules that may match in the stretches of the text."""
        around = near(data, stretches, extra)
        found: Seen = defaultdict(list)
        self._patterns(around, found)
        opened: Hits = {}
        if self._shapes:
            self._shapes(around, opened)
        return [*opened, *(owner for number in found for owner in self._group.patterns[number].owners)]

    def rows(self, rule: int) -> Iterable[int]:
        """The numbers of the rows that a rule is looked for around."""
        return self._group.own[rule]


class Openings:
    """The rules for what a text begins with: looked for there alone, and where an answer begins in a row of data."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        opening = [(index, rule) for index, rule in enumerate(rules) if rule.opens]
        self._rules = [index for index, _ in opening]
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
        starts = {0}
        if _DECODED in data:
            starts.update(match.end() for match in islice(re.finditer(_DECODED, data), _MOST_ANSWERS))
        if data[:_LONGEST_LEAD].lstrip()[:1] in _ROWS:
            starts.update(match.end() for match in islice(self._answer.finditer(data), _MOST_ANSWERS))
            if data.count(b'":') <= _NESTED:
                starts.update(match.end() for match in islice(_ONLY_VALUE.finditer(data), _MOST_ANSWERS))
        for start in starts if len(starts) == 1 else sorted(starts):
            for index in self._set.Match(data[start : start + _LONGEST_OPENING]) or ():
                hits.setdefault(self._rules[index], []).append((start, start))


def _flags(row: Row) -> int:
    flags = hyperscan.HS_FLAG_UTF8
    flags |= 0 if row.everywhere else hyperscan.HS_FLAG_SINGLEMATCH
    return int(flags | (hyperscan.HS_FLAG_CASELESS if row.literals else 0))


_BEYOND_ASCII = re.compile("[^\0-\x7f]")


def _in_ascii(expression: str) -> bytes:
    """The same expression in ASCII: wheels up to 0.7.21, the last ones that see every match, take UTF-8 for broken.

    >>> _in_ascii("[é-ü]")
    b'[\\\\x{e9}-\\\\x{fc}]'
    """
    return _BEYOND_ASCII.sub(lambda found: f"\\x{{{ord(found[0]):x}}}", expression).encode()


def _compile(gate: Gate, first: int) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[_in_ascii(row.expression) for row in gate],
        ids=list(range(first, first + len(gate))),
        flags=[_flags(row) for row in gate],
    )
    return database


def refused(rules: Sequence[tuple[int, Rule]], plan: Plan) -> set[int]:
    """The rules whose patterns hyperscan does not take, alone; they are asked one by one only when it did not take their plan."""

    def ask() -> bytes:
        try:
            InHyperscan(plan)
        except hyperscan.error:
            return " ".join(str(index) for index, rule in rules if not _taken(rule)).encode() or b" "
        return b" "

    rows = (*plan.anything, *plan.beyond_ascii, *(row for group in plan.groups for row in group.patterns))
    key = key_of(version("hyperscan"), *(row.expression for row in rows))
    return set(map(int, cached(f"{key}.refused", ask).split()))


def _taken(rule: Rule) -> bool:
    if rule.program > LARGEST_PROGRAM or rule.gate == "anchors":
        return True
    try:
        _compile((Row(rule.bounded),), 0)
    except hyperscan.error:
        return False
    return True


def _runs_here(dumped: bytes) -> bool:
    """Whether this processor can run the database; another machine may share the cache."""
    try:
        hyperscan.Scratch(hyperscan.loadb(dumped, hyperscan.HS_MODE_BLOCK))
    except hyperscan.error:
        return False
    return True


def _database(gate: Gate, first: int = 0) -> Any:
    """The compiled database, from the cache where it holds one."""
    key = key_of(version("hyperscan"), str(first), *(f"{_flags(row)} {row.expression}" for row in gate))
    dumped = cached(f"{key}.hs", lambda: hyperscan.dumpb(_compile(gate, first)), _runs_here)
    return hyperscan.loadb(dumped, hyperscan.HS_MODE_BLOCK)


class InRe2:
    """Which gates of the rules open in a text, by RE2 alone."""

    def __init__(self, rules: Sequence[tuple[int, Rule]]) -> None:
        plan = re2_plan(rules)
        self._anything, self._beyond_ascii, self._shapes = Re2Pass(plan.anything), Re2Pass(plan.beyond_ascii), Re2Pass(plan.shapes)

    def __call__(self, data: bytes, hits: Hits, extra: int) -> None:
        self._anything(data, hits)
        self._shapes(data, hits)
        if extra:
            self._beyond_ascii(data, hits)


class InHyperscan:
    """The same by hyperscan, and where they open."""

    def __init__(self, plan: Plan) -> None:
        self._rows = (*plan.anything, *plan.beyond_ascii)
        self._anything = HyperscanPass(plan.anything)
        self._beyond_ascii = HyperscanPass(plan.beyond_ascii, len(plan.anything))
        self._shapes = Re2Pass(plan.shapes) if plan.shapes else None
        self._around = [Around(group) for group in plan.groups]

    def __call__(self, data: bytes, hits: Hits, extra: int) -> None:
        seen: Seen = defaultdict(list)
        self._anything(data, seen)
        if extra:
            self._beyond_ascii(data, seen)
        if seen:
            self._open(data, seen, hits, extra)
        if self._shapes:
            self._shapes(data, hits)

    def _open(self, data: bytes, seen: Seen, hits: Hits, extra: int) -> None:
        places: dict[int, list[Place]] = {}
        stretches: dict[int, list[Place]] = {}
        for number, ends in seen.items():
            row = self._rows[number]
            reach = in_bytes(row.reach, extra) + _MARGIN
            here = places[number] = _places(row, ends, reach, len(data))
            for owner in row.owners:
                hits.setdefault(owner, []).extend(here)
            for group in row.groups:
                stretches.setdefault(group, []).extend([(first - reach, last + reach) for first, last in here])
        for group, parts in stretches.items():
            around = self._around[group]
            for rule in around(data, parts, extra):
                for number in around.rows(rule):
                    if number in places:
                        hits.setdefault(rule, []).extend(places[number])


def _places(row: Row, ends: list[int], reach: int, size: int) -> list[Place]:
    """Where something is that was seen to end there, in a text of that size."""
    # A text that is full of it would be one window, which is dear to find out of thousands.
    if row.endless or len(ends) * reach > size:
        return [(0, size)]
    # What is reported once may be seen again behind its first end.
    return [(end - row.before, end) for end in ends] if row.everywhere else [(ends[0], size)]


class Passes:
    """The rules of a chain, ready for their first pass. `engine` is "hyperscan" or "re2"."""

    def __init__(self, rules: Sequence[Rule], engine: str) -> None:
        self._openings = Openings(rules)
        numbered = [(index, rule) for index, rule in enumerate(rules) if not rule.opens]
        self._gates: InHyperscan | InRe2
        if engine == "hyperscan":
            plan = hyperscan_plan(numbered)
            without = refused(numbered, plan)
            self._gates = InHyperscan(hyperscan_plan(numbered, without) if without else plan)
        else:
            self._gates = InRe2(numbered)

    def __call__(self, data: bytes, extra: int) -> Hits:
        """Whose gates open in UTF-8 `data` of `extra` more bytes than characters; FOLDABLE where there is something to fold."""
        hits: Hits = {}
        self._gates(data, hits, extra)
        self._openings(data, hits)
        return hits
