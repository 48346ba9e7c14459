"""Moments: the many ways in which logs write a time, as ISO 8601 in UTC."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,]\d+)?\s*(Z|UTC|[+-]\d\d:?\d\d)?")
_NUMBER = re.compile(r"\d{9,19}(?:\.\d+)?")
_FIRST, _LAST = 2015, 2100  # years in which a record of an API may have been made; what is outside of them is no time


def iso(value: Any) -> str | None:
    """A time in UTC to the second; None where it is none. A time without a zone counts as UTC.

    >>> iso(1700000000), iso("2023-11-14 23:13:20.5+01:00"), iso("Tue, 14 Nov 2023 22:13:20 GMT"), iso(12)
    ('2023-11-14T22:13:20Z', '2023-11-14T22:13:20Z', '2023-11-14T22:13:20Z', None)
    """
    try:
        moment = _moment(value)
    except (ValueError, OverflowError, TypeError):
        return None
    if moment is None:
        return None
    moment = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    return f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}Z" if _FIRST <= moment.year <= _LAST else None


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        return _written(value.strip())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _since_1970(float(value))
    return value if isinstance(value, datetime) else None


def _written(text: str) -> datetime:
    if match := _ISO.match(text):
        day, clock, zone = match.groups()
        zone = "+00:00" if zone in (None, "Z", "UTC") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
        return datetime.fromisoformat(f"{day}T{clock}{zone}")
    return _since_1970(float(text)) if _NUMBER.fullmatch(text) else parsedate_to_datetime(text)


def _since_1970(number: float) -> datetime:
    """Seconds, or thousandths, millionths, milliardths of them, whichever makes a time of our days."""
    while number > 1e11:
        number /= 1000
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=number)
