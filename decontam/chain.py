"""Chain: the stages in order, then the policy. This is all that happens to a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

from decontam.allowances import RecordList
from decontam.policy import Policy
from decontam.redaction import PLAIN, Mode, Redactor, of_record, restless
from decontam.sites import SiteLists
from decontam.types import Action, Field, Finding, Measure, Record, Span, Verdict
from decontam.view import View


class Stage(Protocol):
    """What looks at a text. It reports and never decides; it remembers nothing from one text to the next.

    A stage that scores every text, found or not, also has `measure(view) -> Measure`.
    """

    @property
    def name(self) -> str: ...

    def inspect(self, view: View) -> Iterable[Finding]: ...


_NOTHING_FOUND = Verdict(Action.KEEP)
_WEAKER: tuple[Mode, ...] = ("pseudonym", "type")  # what a replacement becomes that would be found again


@dataclass(frozen=True)
class Chain:
    stages: tuple[Stage, ...]
    policy: Policy
    redactor: Redactor = PLAIN
    lists: tuple[RecordList, ...] = ()
    sites: SiteLists | None = None

    def screen(self, record: Record) -> Verdict:
        """The verdict on a record: a function of chain and record, for any text, in time linear in its length."""
        measures: list[tuple[str, Measure]] = []
        findings = self.found(record, measures)
        verdict = self.decide(record, findings) if findings else _NOTHING_FOUND
        return measured(verdict, measures) if measures else verdict

    def decide(self, record: Record, findings: Sequence[Finding]) -> Verdict:
        """The verdict on a record in which that was found."""
        for known in self.lists:
            findings = known.marked(record, findings)
        verdict = self.policy.decide(record, findings, self.redactor)
        return verdict if self.policy.modes == {"type"} else self._steadied(record, findings, verdict)

    def found(self, record: Record, measures: list[tuple[str, Measure]] | None = None) -> list[Finding]:
        """What the stages report of a record; what they measured besides is added to `measures`."""
        findings: list[Finding] = []
        for field in record.fields:
            view = View(field, record.meta.get("language"))
            for stage in self.stages:
                findings.extend(stage.inspect(view))
                if measures is not None and (measure := getattr(stage, "measure", None)) is not None:
                    measures.append((stage.name, measure(view)))
        return findings if self.sites is None else self.sites.marked(record, findings)

    def _steadied(self, record: Record, findings: Sequence[Finding], verdict: Verdict) -> Verdict:
        """The verdict with redactions that are not found again: a surrogate may be a number of another kind where it stands."""
        forced: dict[tuple[str, Span], Mode] = {}
        for weaker in _WEAKER:
            if not verdict.redactions:
                break
            after = of_record(record, verdict.redactions)
            places = restless(verdict.redactions, self.policy.costly(after, self.found(after)))
            if not places:
                break
            forced |= dict.fromkeys(places, weaker)
            verdict = self.policy.decide(record, findings, self.redactor, forced)
        return verdict

    def screen_text(self, text: str) -> Verdict:
        """The verdict on a bare text."""
        return self.screen(Record("", (Field("text", text),)))


def measured(verdict: Verdict, measures: Iterable[tuple[str, Measure]]) -> Verdict:
    """The verdict with what stages measured: a record has the highest score of its fields; it is abstained on where no field has one."""
    scores: dict[str, float] = {}
    remarks: dict[str, set[str]] = {}
    for stage, (score, said) in measures:
        if score is not None:
            if stage not in scores:
                remarks[stage] = set()
            scores[stage] = max(score, scores.get(stage, 0.0))
        if score is not None or stage not in scores:
            remarks.setdefault(stage, set()).update(said)
    told = tuple(f"{stage}/{remark}" for stage, said in remarks.items() for remark in sorted(said))
    return verdict._replace(scores=scores, remarks=told)


class Timed:
    """A stopwatch around a stage. The scan that stages share is on the clock of the first of them."""

    __slots__ = ("_seconds", "name", "stage")

    def __init__(self, stage: Stage, seconds: dict[str, float]) -> None:
        self.stage, self.name, self._seconds = stage, stage.name, seconds
        seconds.setdefault(self.name, 0.0)

    def inspect(self, view: View) -> Iterable[Finding]:
        started = perf_counter()
        findings = list(self.stage.inspect(view))
        self._seconds[self.name] += perf_counter() - started
        return findings

    @property
    def measure(self) -> Callable[[View], Measure] | None:
        """That of the stage, if it has one; what it costs was spent when the view was inspected."""
        return getattr(self.stage, "measure", None)


def timed(chain: Chain, seconds: dict[str, float]) -> Chain:
    """The same chain, adding up in `seconds` how long each stage takes."""
    return replace(chain, stages=tuple(Timed(stage, seconds) for stage in chain.stages))
