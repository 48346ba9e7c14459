"""Review: a quarantine and the log of verdicts on it, at work together: what the page asks for, as JSON-safe values.

It knows nothing of HTTP. Any thread may ask.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from decontam.config import load_config, rules_of
from decontam.errors import DecontamError, InputError
from decontam.quarantine.index import Filter, Index
from decontam.quarantine.records import Held, Records, Segment, Text, segments
from decontam.quarantine.sample import Drawn
from decontam.quarantine.verdicts import DONE, VERDICTS, Event, Verdicts, verdict_of
from decontam.rules import Rule

_WINDOW = 40_000  # characters of a text that are shown at once
_SIDE = 4_000  # the same of a column that was not screened
_FINDINGS = 2_000  # of a record that are listed


class Review:
    """One sitting of one reviewer. `drawn` is the sample that is shown; None shows all."""

    def __init__(self, index: Index, log: Verdicts, reviewer: str, drawn: Sequence[Drawn] | None = None) -> None:
        self.index, self.log, self.reviewer = index, log, reviewer
        self.records = Records(index.folder, index.manifest)
        self._drawn = None if drawn is None else {each.number: each for each in drawn}
        self._rules: Mapping[str, Rule] | None = None
        self._seen = 0
        self._lock = threading.Lock()
        if drawn is not None:
            index.restrict([each.number for each in drawn])

    def prepare(self) -> None:
        """Do now what the first questions would have to wait for."""
        self._known()
        self.index.build()

    def about(self) -> dict[str, Any]:
        """What is reviewed, and how far it is."""
        manifest = self.index.manifest
        return {
            "out": self.index.folder.root,
            "began": manifest["began"],
            "reviewer": self.reviewer,
            "sample": self._drawn is not None,
            "shards": len(self.index.shards),
            **self.progress(),
        }

    def progress(self) -> dict[str, Any]:
        """How many records there are, and how many have which verdict. While the index is built, nobody knows."""
        if not self.index.built:
            return {"built": False, "records": None, "judged": {}}
        self._listen()
        return {"built": True, "records": self.index.count, "judged": self.index.judged()}

    def _listen(self) -> None:
        """Hear what was said since, here or by others."""
        with self._lock:
            news = self.log.events(self._seen)
            if news:
                if self._seen == 0:
                    self.index.said(self.log.current())
                else:
                    self.index.said({(e.shard, e.row): verdict_of(self.log.history(e.shard, e.row)) for e in news})
                self._seen = news[-1].number or 0

    def page(self, wanted: Filter, after: int = -1, before: int | None = None, limit: int = 100) -> dict[str, Any]:
        """Some records that fit, in order. The first ones of all are there before the index is."""
        if not self.index.built and wanted == Filter() and after < 0 and before is None:
            return {"rows": self.index.first(limit), "built": False}
        self._waiting()
        self._listen()
        return {"rows": self.index.page(wanted, after, limit, before), "built": True}

    def counts(self, wanted: Filter) -> dict[str, Any]:
        """How many records fit, and how many would with one other value for each of the dimensions."""
        self._waiting()
        self._listen()
        return {"fit": self.index.counted(wanted), "facets": self.index.facets(wanted), **self.progress()}

    def _waiting(self) -> None:
        self.index.wait()

    def document(self, number: int, reveal: bool = False) -> dict[str, Any]:
        """A record with its findings, why each rule fired, and what was said of it. To `reveal` its credentials is logged first."""
        spot = self._spot(number)
        if reveal:
            self.log.accessed(spot.shard, spot.row, "secrets", self.reviewer)
        held = self.records.read(spot.shard, spot.position, covered=not reveal)
        drawn = self._drawn.get(number) if self._drawn else None
        return {
            "n": number,
            "shard": held.shard,
            "row": held.row,
            "id": held.id,
            "exact": held.exact,
            "hidden": held.hidden,
            "revealed": reveal,
            "problem": held.problem,
            "stratum": drawn.stratum if drawn else None,
            "probability": drawn.probability if drawn else None,
            "findings": [_finding(finding) for finding in held.findings[:_FINDINGS]],
            "found": len(held.findings),
            "rules": self._whys(held),
            "texts": [_window(held, text, *_bounds(held, text)) for text in held.texts],
            "history": [event._asdict() for event in self.log.history(held.shard, held.row)],
        }

    def text(self, number: int, path: str, start: int, reveal: bool = False) -> dict[str, Any]:
        """Another piece of a long text."""
        spot = self._spot(number)
        held = self.records.read(spot.shard, spot.position, covered=not reveal)
        text = next((text for text in held.texts if text.path == path), None)
        if text is None:
            raise InputError(f"that record has no text {path!r}")
        start = max(0, min(start, len(text.text) - 1))
        return _window(held, text, start, start + _WINDOW)

    def _spot(self, number: int) -> Any:
        spot = self.index.spot(number) if self.index.built else self.index.early(number)
        if spot is None:
            raise InputError(f"there is no record {number}")
        return spot

    def say(self, number: int, verdict: str, why: str = "") -> dict[str, Any]:
        """Add a verdict, a note or an undo. Raises InputError where that cannot be."""
        if verdict not in VERDICTS:
            raise InputError(f"{verdict!r} is no verdict; known: {', '.join(VERDICTS)}")
        spot = self._spot(number)
        before = verdict_of(self.log.history(spot.shard, spot.row))
        if before is not None and before.verdict in DONE and verdict != "note":
            raise InputError(f"that record was {before.verdict} on {before.at}; there is nothing left to judge")
        drawn = self._drawn.get(number) if self._drawn else None
        self.log.add([Event(spot.shard, spot.row, verdict, self.reviewer, "", why, drawn.probability if drawn else None, "serve")])
        history = self.log.history(spot.shard, spot.row)
        now = verdict_of(history)
        return {"n": number, "verdict": now.verdict if now else None, "history": [event._asdict() for event in history], **self.progress()}

    def _whys(self, held: Held) -> list[dict[str, Any]]:
        """Each rule that fired, the weightiest first: how often, why, and on whose word."""
        found: dict[str, list[Any]] = {}
        for finding in sorted(held.findings, key=lambda finding: (-finding.strength, -finding.score, finding.name)):
            found.setdefault(finding.name, []).append(finding)
        told = []
        for name, group in found.items():
            rule, first = self._known().get(name), group[0]
            told.append(
                {
                    "name": name,
                    "stage": first.stage,
                    "kind": first.kind,
                    "provider": first.provider,
                    "strength": first.strength.name.lower(),
                    "score": max(finding.score for finding in group),
                    "times": len(group),
                    "why": rule.why if rule else "",
                    "source": rule.source if rule else "",
                    "changed": bool(rule and rule.revision != first.revision),
                    "settled": sorted({str(finding.detail["settled"]) for finding in group if "settled" in finding.detail}),
                }
            )
        return told

    def _known(self) -> Mapping[str, Rule]:
        """The rules of the run's configuration as they are now; none where their packs are gone."""
        with self._lock:
            if self._rules is None:
                try:
                    config = load_config(None, self.index.manifest["config"])
                    self._rules = {rule.name: rule for rule in rules_of(config)}
                except DecontamError:
                    self._rules = {}
            return self._rules


def _finding(finding: Any) -> dict[str, Any]:
    return {"name": finding.name, "stage": finding.stage, "field": finding.field, "start": finding.span.start, "end": finding.span.end}


def _bounds(held: Held, text: Text) -> tuple[int, int]:
    """Which piece of a text is shown first: all of it, or from somewhat before its first finding on."""
    most = _WINDOW if text.screened else _SIDE
    if len(text.text) <= most:
        return 0, len(text.text)
    first = min((finding.span.start for finding in held.findings if finding.field == text.path), default=0)
    start = max(0, min(first - most // 4, len(text.text) - most))
    return start, start + most


def _window(held: Held, text: Text, start: int, end: int) -> dict[str, Any]:
    marks = [(number, finding.span) for number, finding in enumerate(held.findings[:_FINDINGS]) if finding.field == text.path]
    pieces: list[Segment] = segments(text.text, marks, start, end)
    return {
        "path": text.path,
        "role": text.role,
        "screened": text.screened,
        "length": len(text.text),
        "from": start,
        "to": min(end, len(text.text)),
        "segments": [[piece.text, list(piece.findings)] for piece in pieces],
    }
