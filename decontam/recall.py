"""Recall: findings as stages reported them, from what a run wrote down of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from decontam.types import Finding, Span, Strength

_LATER = {"settled", "was", "value", "listed", "of"}
"""What the policy and the chain add to the detail of a finding."""


def findings_of(row: Mapping[str, Any]) -> list[Finding]:
    """The findings of a row of a table, as the policy left them."""
    return [
        Finding(
            field=each["field"],
            stage=each["stage"],
            rule=each["rule"],
            revision=each["revision"],
            kind=each["kind"],
            span=Span(each["start"], each["end"]),
            strength=Strength[each["strength"].upper()],
            score=each["score"],
            provider=each["provider"],
            detail=json.loads(each["detail"]),
        )
        for each in row["findings"]
    ]


def reported(finding: Finding) -> Finding:
    """A finding as its stage reported it, before anything was settled, hashed or attributed."""
    detail = {key: value for key, value in finding.detail.items() if key not in _LATER}
    said = detail.get("providers")
    if said and len(said) == 1:  # there since the finding got another provider; a stage names several or none
        del detail["providers"]
    strength = Strength[finding.detail["was"].upper()] if "was" in finding.detail else finding.strength
    return replace(finding, detail=detail, strength=strength, provider=said[0] if said else finding.provider)


def lengths_of(findings: list[Finding]) -> dict[str, int]:
    """How many characters the texts have in which payloads were found."""
    return {finding.field: finding.detail["of"] for finding in findings if "of" in finding.detail}
