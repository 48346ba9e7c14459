"""Evidence: findings and verdicts as plain dicts, for files and for other programs. They never hold a matched value."""

from __future__ import annotations

from typing import Any

from decontam.types import Finding, Verdict

SCHEMA = 1


def finding_row(finding: Finding) -> dict[str, Any]:
    """A finding as JSON-safe values; offsets in characters of the original text of the field."""
    return {
        "field": finding.field,
        "stage": finding.stage,
        "rule": finding.rule,
        "kind": finding.kind,
        "provider": finding.provider,
        "start": finding.span.start,
        "end": finding.span.end,
        "strength": finding.strength.name.lower(),
        "score": finding.score,
        "revision": finding.revision,
        "detail": dict(finding.detail),
    }


def verdict_row(id: str, verdict: Verdict) -> dict[str, Any]:
    """A record's line in `decontam scan --json`. Fields are only ever added."""
    return {
        "schema": SCHEMA,
        "id": id,
        "action": verdict.action.name.lower(),
        "findings": [finding_row(finding) for finding in verdict.findings],
        "scores": dict(verdict.scores),
        "provider": verdict.provider,
    }
