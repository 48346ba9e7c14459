"""Policy: what the findings about a record mean, and what is done about it.

Settling comes first, and each step leaves its reason in the finding's detail under `settled`:
mentions count as Strength.MENTION, findings that stand together are raised, what is allowed counts as a mention too.
Then each finding costs what the first row that fits it says, and the dearest action wins. So a further finding can
only harden a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from annotated_types import Ge, Le, MinLen
from pydantic import BeforeValidator, ConfigDict
from pydantic.dataclasses import dataclass

from decontam.allowances import Allowance
from decontam.attribution import attributed, resolved
from decontam.errors import did_you_mean
from decontam.extents import covered
from decontam.keys import KeySource
from decontam.redaction import KEYED, PLAIN, Mode, Redactor, hash_of, merged
from decontam.rules import Words, strength_named
from decontam.types import Action, Finding, Record, Redaction, Span, Strength, Verdict

_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def action_named(value: Any) -> Any:
    """
    >>> action_named("redact")
    <Action.REDACT: 2>
    """
    if not isinstance(value, str):
        return value
    try:
        return Action[value.upper()]
    except KeyError:
        known = [action.name.lower() for action in Action]
        raise ValueError(f"is one of {', '.join(known)}{did_you_mean(value, known)}") from None


NamedStrength = Annotated[Strength, BeforeValidator(strength_named)]
NamedAction = Annotated[Action, BeforeValidator(action_named)]


@dataclass(frozen=True, config=_STRICT)
class Row:
    """One line of the action table. What is left out fits anything; names may hold * and ?."""

    action: NamedAction
    rule: str = "*"
    """`stage/rule`"""
    kind: str = "*"
    provider: str = "*"
    source: str = "*"
    """The path of the shard, as the input was named."""
    strength: NamedStrength = Strength.MENTION
    """At least this strong."""
    score: Annotated[float, Ge(0), Le(1)] = 0.0
    """At least this score: of rules 1 or what their validator says, of known texts containment, of synthetic text a probability."""
    redaction: Mode | None = None
    """What replaces the values that this row redacts, where it is not what the policy says."""

    def fits(self, name: str, kind: str, provider: str, strength: Strength, source: str, score: float) -> bool:
        return (
            strength >= self.strength
            and score >= self.score
            and fnmatchcase(name, self.rule)
            and fnmatchcase(kind, self.kind)
            and fnmatchcase(provider, self.provider)
            and fnmatchcase(source, self.source)
        )


_NO_ROW = Row(action=Action.KEEP)


@dataclass(frozen=True, config=_STRICT)
class Combination:
    """Findings of one stage that are more together than alone: of `kinds` kinds, by `rules` rules, or `count` of one rule.

    They count when they are at least `strength` and at most `characters` apart, in one field.
    """

    why: str
    stage: str
    strength: NamedStrength
    becomes: NamedStrength
    characters: int
    kinds: int | None = None
    rules: int | None = None
    count: int | None = None

    @property
    def enough(self) -> int:
        return self.kinds or self.rules or self.count or 1

    def raised(self, findings: Sequence[Finding]) -> set[int]:
        """Indices of the findings that this combination raises."""
        able = [
            (finding.field, finding.span.start, index)
            for index, finding in enumerate(findings)
            if finding.stage == self.stage and finding.strength >= self.strength
        ]
        if len(able) < self.enough:
            return set()
        groups: dict[Any, list[tuple[int, int]]] = {}
        for path, start, index in sorted(able):
            groups.setdefault((path, findings[index].rule) if self.count else path, []).append((start, index))
        return {index for group in groups.values() for index in self._close(group, findings)}

    def _close(self, group: list[tuple[int, int]], findings: Sequence[Finding]) -> Iterable[int]:
        """Slide over findings in order of position; a window that holds enough raises all that is in it."""
        inside: dict[Any, int] = {}
        first = raised_to = 0
        for last, (start, index) in enumerate(group):
            inside[self._what(findings[index])] = inside.get(self._what(findings[index]), 0) + 1
            while start - group[first][0] > self.characters:
                gone = self._what(findings[group[first][1]])
                inside[gone] -= 1
                if not inside[gone]:
                    del inside[gone]
                first += 1
            if len(inside) >= self.enough:
                yield from (i for _, i in group[max(first, raised_to) : last + 1])
                raised_to = last + 1

    def _what(self, finding: Finding) -> Any:
        return finding.kind if self.kinds else finding.rule if self.rules else finding.span


@dataclass(frozen=True, config=_STRICT)
class Embedded:
    """What a payload costs at most while it is a sample in a document: its extents cover less than `share` of their text.

    Where it is REDACT, the whole extents are cut out.
    """

    stage: str
    share: Annotated[float, Ge(0), Le(1)]
    action: NamedAction

    def spares(self, findings: Sequence[Finding], lengths: Mapping[str, int]) -> set[int]:
        """Indices of the findings that are such samples; `lengths` are those of the texts, in characters."""
        extents: dict[str, list[Span]] = {}
        samples = []
        for index, finding in enumerate(findings):
            if finding.stage == self.stage and finding.strength > Strength.MENTION and "extent" in finding.detail:
                extents.setdefault(finding.field, []).append(extent_of(finding))
                samples.append(index)
        small = {path for path, spans in extents.items() if covered(spans) < self.share * lengths.get(path, 0)}
        return {index for index in samples if findings[index].field in small}


def extent_of(finding: Finding) -> Span:
    """How far the payload reaches of which the finding is a part; its span where it is no part of one."""
    return Span(*finding.detail.get("extent", finding.span))


@dataclass(frozen=True, config=_STRICT)
class MaskLimit:
    """So many validated findings of a stage are masked; a record with more of them gets `above`."""

    stage: str
    spans: int
    above: NamedAction
    kinds: Words = ("*",)
    """Kinds that count; they may hold * and ?."""
    but: Words = ()
    """Kinds of these that don't: what says less by itself, such as names."""
    beside: Words = ()
    """Kinds of which one must be masked as well; where there are none, the limit holds without."""

    def exceeded(self, masked: Sequence[Finding]) -> bool:
        """Whether these findings, all of the stage and all masked, are more than it allows."""
        of = [each for each in masked if _among(each.kind, self.kinds) and not _among(each.kind, self.but) and "page" not in each.detail]
        if len({(each.field, each.span) for each in of}) <= self.spans:
            return False
        return not self.beside or any(_among(each.kind, self.beside) for each in masked)


def _among(kind: str, kinds: Iterable[str]) -> bool:
    return any(fnmatchcase(kind, named) for named in kinds)


@dataclass(frozen=True, config=_STRICT)
class Sites:
    """Files that name sites, as `decontam sites --write` makes them."""

    block: str | None = None
    suspect: str | None = None


CONTACTS = frozenset({"EMAIL", "PHONE", "NAME", "ADDRESS"})
"""Kinds of findings that a page may be there for."""

Forced = Mapping[tuple[str, Span], Mode]
_FREE: Forced = MappingProxyType({})


def stand_in(texts: Sequence[str], turn: int, value: str) -> str:
    """The text whose turn it is; a value that is one of them stays, so that redacting twice changes nothing.

    >>> stand_in(("192.0.2.1", "192.0.2.2"), 2, "8.8.4.4"), stand_in(("192.0.2.1", "192.0.2.2"), 0, "192.0.2.2")
    ('192.0.2.1', '192.0.2.2')
    """
    return value if value in texts else texts[turn % len(texts)]


def _hashed(findings: tuple[Finding, ...], texts: Mapping[str, str], redactor: Redactor) -> tuple[Finding, ...]:
    """Findings that can be told by their value, where there is a key."""
    if (key := redactor.key) is None:
        return findings
    return tuple(
        replace(each, detail={**each.detail, "value": hash_of(each.kind, texts.get(each.field, "")[slice(*each.span)], key)})
        for each in findings
    )


def _settled(finding: Finding, strength: Strength, reason: str) -> Finding:
    """The finding with another strength; its detail says why, and what it was, so that it can be decided again."""
    was = finding.detail.get("was", finding.strength.name.lower())
    return replace(finding, strength=strength, detail={**finding.detail, "settled": reason, "was": was})


def _measured(findings: Iterable[Finding], lengths: Mapping[str, int]) -> tuple[Finding, ...]:
    """Findings that may be samples, with the length of their text (`of`)."""
    return tuple(
        replace(finding, detail={**finding.detail, "of": lengths.get(finding.field, 0)}) if "extent" in finding.detail else finding
        for finding in findings
    )


Allowing = Callable[[Finding], Allowance | None]


class Weighed(NamedTuple):
    """What findings cost: `action` all together, `actions` and `rows` each, `samples` the indices of those that are such."""

    action: Action
    actions: list[Action]
    rows: list[Row]
    samples: set[int]


@dataclass(frozen=True, config=_STRICT)
class Policy:
    """`decide` is a function of the record and its findings; it knows no stage, no file and no clock."""

    actions: tuple[Row, ...]
    combine: tuple[Combination, ...] = ()
    allow: tuple[Allowance, ...] = ()
    mask_limits: tuple[MaskLimit, ...] = ()
    contact_pages: Words = ()
    """URLs of pages that say whom to reach, with * and ?: what they say of that counts for no limit."""
    embedded: tuple[Embedded, ...] = ()
    placeholder: str = "<{kind}>"
    placeholders: Mapping[str, Annotated[Words, MinLen(1)]] = field(default_factory=dict)
    """What stands for values of a kind instead of the placeholder, as it is; several take turns within a record."""
    redaction: Mode = "type"
    key: KeySource | None = None
    sites: Sites = Sites()

    @property
    def modes(self) -> set[Mode]:
        """The ways in which values may be replaced."""
        return {self.redaction, *(row.redaction for row in self.actions if row.redaction is not None)}

    @property
    def needs_key(self) -> bool:
        return not self.modes.isdisjoint(KEYED)

    def row(self, finding: Finding, source: str = "") -> Row:
        """The row that says what a finding costs by itself."""
        what = finding.name, finding.kind, finding.provider or "", finding.strength, source, finding.score
        return next((row for row in self.actions if row.fits(*what)), _NO_ROW)

    def _rows(self, findings: Iterable[Finding], source: str) -> list[Row]:
        """The row of each finding; findings that the table cannot tell apart are looked up once."""
        known: dict[tuple[str, str, str, str | None, Strength, float], Row] = {}
        rows = []
        for finding in findings:
            alike = finding.stage, finding.rule, finding.kind, finding.provider, finding.strength, finding.score
            if alike not in known:
                known[alike] = _NO_ROW if finding.strength == Strength.MENTION else self.row(finding, source)
            rows.append(known[alike])
        return rows

    def settle(self, record: Record, findings: Iterable[Finding], source: str) -> tuple[Finding, ...]:
        texts = {path: text for path, text, _ in record.fields}

        def allowance(finding: Finding) -> Allowance | None:
            value = texts.get(finding.field, "")[slice(*finding.span)]
            return next((allowed for allowed in self.allow if allowed.covers(finding, source, value)), None)

        return self.settled(findings, allowance)

    def settled(self, findings: Iterable[Finding], allowance: Allowing) -> tuple[Finding, ...]:
        """The findings with what they count as; `allowance` says which one covers a finding."""
        settled = [
            _settled(finding, Strength.MENTION, f"mention: {finding.detail['mention']}") if "mention" in finding.detail else finding
            for finding in findings
        ]
        for combination in self.combine:
            for index in combination.raised(settled):
                if settled[index].strength < combination.becomes:
                    settled[index] = _settled(settled[index], combination.becomes, combination.why)
        return tuple(self._allowed(settled, allowance)) if self.allow else tuple(settled)

    def _marked(self, settled: tuple[Finding, ...], url: Any) -> tuple[Finding, ...]:
        """Findings that say where they stand, if that is on a contact page, so that they can be decided again."""
        if not isinstance(url, str) or not _among(url.casefold(), self.contact_pages):
            return settled
        return tuple(replace(each, detail={**each.detail, "page": "contact"}) if each.kind in CONTACTS else each for each in settled)

    def _allowed(self, findings: list[Finding], allowance: Allowing) -> Iterable[Finding]:
        # A provider excuses its findings only where nothing conclusive points to somebody else.
        stranger = any(f.strength == Strength.CONCLUSIVE and f.provider and allowance(f) is None for f in findings)
        for finding in findings:
            allowed = allowance(finding)
            if allowed is None or (allowed.providers and stranger):
                yield finding
            else:
                yield _settled(finding, Strength.MENTION, f"allowed: {allowed.reason} ({allowed.by})")

    def costly(self, record: Record, findings: Iterable[Finding]) -> list[tuple[Finding, Mode]]:
        """The findings that cost at least REDACT, and how each would be redacted."""
        source = str(record.meta.get("source", ""))
        settled = self.settle(record, findings, source)
        rows = zip(settled, self._rows(settled, source), strict=True)
        return [(finding, row.redaction or self.redaction) for finding, row in rows if row.action >= Action.REDACT]

    def decide(self, record: Record, findings: Iterable[Finding], redactor: Redactor = PLAIN, forced: Forced = _FREE) -> Verdict:
        """The verdict on a record, from everything that was found in it. `forced` overrules how some spans are redacted."""
        source = str(record.meta.get("source", ""))
        settled = self._marked(self.settle(record, findings, source), record.meta.get("url"))
        texts = {path: text for path, text, _ in record.fields}
        lengths = {path: len(text) for path, text in texts.items()}
        action, actions, rows, samples = self.weigh(settled, lengths, source)
        provider = attributed(settled)
        told = _hashed(_measured(resolved(settled, provider), lengths), texts, redactor)
        if action != Action.REDACT:
            return Verdict(action, told, provider=provider)
        cut: list[tuple[Finding, Mode]] = [
            (replace(finding, span=extent_of(finding)), "type") if index in samples else (finding, row.redaction or self.redaction)
            for index, (finding, row, does) in enumerate(zip(settled, rows, actions, strict=True))
            if does == Action.REDACT
        ]
        return Verdict(action, told, redactions=self._replaced(cut, texts, redactor, forced), provider=provider)

    def weigh(self, settled: Sequence[Finding], lengths: Mapping[str, int], source: str) -> Weighed:
        """What settled findings cost, in texts of so many characters."""
        rows = self._rows(settled, source)
        actions = [row.action for row in rows]
        samples: set[int] = set()
        for embedded in self.embedded:
            spared = embedded.spares(settled, lengths)
            samples |= spared
            actions = [min(does, embedded.action) if index in spared else does for index, does in enumerate(actions)]
        action = max(actions, default=Action.KEEP)
        for limit in self.mask_limits:
            masked = [
                finding
                for finding, does in zip(settled, actions, strict=True)
                if does == Action.REDACT and finding.stage == limit.stage and finding.strength >= Strength.STRONG
            ]
            if limit.exceeded(masked):
                action = max(action, limit.above)
        return Weighed(action, actions, rows, samples)

    def _replaced(
        self, cut: Iterable[tuple[Finding, Mode]], texts: Mapping[str, str], redactor: Redactor, forced: Forced
    ) -> tuple[Redaction, ...]:
        made = []
        turns: dict[str, int] = {}
        for each in merged(cut):
            mode, text, kind = forced.get((each.field, each.span), each.mode), texts.get(each.field, ""), each.finding.kind
            # A mask is as long as what it covers; everything else stands for the value of the widest finding.
            value = text[slice(*(each.span if mode == "mask" else each.finding.span))]
            if mode == "type" and kind in self.placeholders and (each.field, each.span) not in forced:
                turns[kind] = turns.get(kind, -1) + 1
                new = stand_in(self.placeholders[kind], turns[kind], value)
            else:
                new = redactor.replacement(mode, kind, value, self.placeholder)
            made.append(Redaction(each.field, each.span, new))
        return tuple(made)

    def redactions(self, findings: Iterable[Finding]) -> tuple[Redaction, ...]:
        """Non-overlapping replacements by the bare placeholder, in order."""
        cuts = merged((finding, "type") for finding in findings)
        return tuple(Redaction(cut.field, cut.span, self.placeholder.format(kind=cut.finding.kind)) for cut in cuts)
