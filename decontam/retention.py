"""Retention: how long quarantine may keep a record, by what was found in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase

from decontam.types import Finding, Strength

HOLD = "hold"
"""Not to be destroyed, whatever else says so."""

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def span_of(said: str) -> timedelta:
    """A span of time: hours, days or weeks.

    >>> span_of("30d"), span_of("12h")
    (datetime.timedelta(days=30), datetime.timedelta(seconds=43200))
    """
    found = re.fullmatch(r"(\d{1,6})([hdw])", said)
    if not found:
        raise ValueError(f"{said!r} is no span of time; write 30d for days, 12h for hours, 6w for weeks")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def check(retention: Mapping[str, str]) -> Mapping[str, str]:
    """The same. Raises ValueError where it says neither `hold` nor a span of time."""
    for said in retention.values():
        if said != HOLD:
            span_of(said)
    return retention


def _says(what: str, finding: Finding) -> bool:
    return what == finding.stage or fnmatchcase(finding.name, what) or fnmatchcase(finding.kind, what)


def kept_for(retention: Mapping[str, str], findings: Iterable[Finding]) -> tuple[timedelta | None, bool]:
    """How long a record with these findings may be kept at most (None: for ever), and whether it is on hold.

    Keys of `retention` are stages, kinds or `stage/rule`, with * and ?. Mentions do not count; of several spans, the shortest does.
    """
    spans, hold = [], False
    for finding in findings:
        if finding.strength == Strength.MENTION:
            continue
        for what, said in retention.items():
            if _says(what, finding):
                hold |= said == HOLD
                spans += [] if said == HOLD else [span_of(said)]
    return (min(spans) if spans else None), hold
