"""Recall: findings as stages reported them, from what a run wrote down of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from decontam.types import Finding, Span, Strength


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
