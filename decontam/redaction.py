"""Redaction: what stands in the place of a value, and what is the same value written otherwise.

type        <EMAIL>
mask        xxxx.xxx@xxxxx.xx       every letter x, every digit 0, as long as before
pseudonym   <EMAIL:c9f3a2b0>        the same wherever the value is, and nobody's who lacks the key
surrogate   rudofen@example.org     looks like the value and is nobody's
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from decontam.folding import fold
from decontam.keys import Key
from decontam.surrogates import Checks, surrogate
from decontam.types import Finding, Record, Redaction, Span

Mode = Literal["type", "mask", "pseudonym", "surrogate"]
KEYED = ("pseudonym", "surrogate")
"""The modes that need a key."""

_CREDENTIALS = ("SECRET", "URL_CRED")  # any character of one may be a part of it
_MANY_DIGITS = re.compile(r"[0-9]{4}")
_AT, _DOT = re.compile(r"\s*[\[({<]\s*at\s*[\])}>]\s*"), re.compile(r"\s*[\[({<]\s*dot\s*[\])}>]\s*|\s+dot\s+")


def _characters_of(plain: str) -> str:
    return "".join(c for c in plain if c.isalnum()).upper()


def _email(plain: str) -> str:
    low = plain.casefold()
    return low if "@" in low else re.sub(r"\s", "", _DOT.sub(".", _AT.sub("@", low)))


def _phone(plain: str) -> str:
    return "".join(str(int(c)) for c in plain.replace("(0)", "") if c.isdecimal()).removeprefix("00")


def _ip(plain: str) -> str:
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return plain


def _spaced(plain: str) -> str:
    return re.sub(r"\s+", " ", plain).casefold()


# What stands between the numbers of a date or a place is part of them; of a secret, every character.
_PLAIN_FORMS: dict[str, Callable[[str], str]] = {
    "EMAIL": _email,
    "PHONE": _phone,
    "IP": _ip,
    "SECRET": str,
    "URL_CRED": str,
    **dict.fromkeys(("DOB", "GEO", "CARD_EXPIRY"), _spaced),
}


def normalised(kind: str, value: str) -> str:
    """A value as it is whoever writes it: without case, separators and disguises, where they say nothing in its kind.

    >>> normalised("EMAIL", "Jane@Corp.de"), normalised("EMAIL", "jane [at] corp [dot] de"), normalised("PHONE", "0049 (0)30-12 34 56")
    ('jane@corp.de', 'jane@corp.de', '4930123456')
    >>> normalised("IBAN", "gb82 west 1234"), normalised("IP", "2001:DB8::0:1"), normalised("SECRET", " aB ")
    ('GB82WEST1234', '2001:db8::1', 'aB')
    """
    plain = unicodedata.normalize("NFKC", fold(value).text).strip()
    return _PLAIN_FORMS.get(kind, _characters_of)(plain)


def masked(text: str, kept: str | None = None) -> str:
    """Every letter an x, every digit a 0; other characters stay, of those that are no space only `kept` ones if that is given.

    >>> masked("J. Ünal, +49-30"), masked("pa$$-w0rd!", kept="-")
    ('x. xxxx, +00-00', 'xxxx-x0xxx')
    """

    def mask(character: str) -> str:
        group = unicodedata.category(character)[0]
        if group == "N":
            return "0"
        # Marks belong to letters, and half a surrogate pair could not be written to a table.
        hides = kept is not None and group in "PS" and character not in kept
        return "x" if group in "LM" or hides or "\ud800" <= character <= "\udfff" else character

    return "".join(map(mask, text))


def pseudonym(kind: str, value: str, key: Key) -> str:
    """Eight hexadecimal digits for a normalised value. Never four decimal ones in a row, which might be a number again."""
    for number in count():
        token = key.digest("pseudonym", kind, value, str(number)).hex()[:8]
        if not _MANY_DIGITS.search(token):
            return token
    raise AssertionError  # pragma: no cover - count() does not end


@dataclass(frozen=True)
class Redactor:
    """How values are replaced: the key, if there is one, and the validators that no surrogate of a kind may please."""

    key: Key | None = None
    checks: Mapping[str, Checks] = field(default_factory=dict)

    def replacement(self, mode: Mode, kind: str, text: str, placeholder: str) -> str:
        """What stands for `text`. What has no surrogate gets a pseudonym; without a key, both are the bare placeholder."""
        if mode == "mask":
            return masked(text, "-_." if kind in _CREDENTIALS else None)
        if self.key is not None and mode in KEYED:
            value = normalised(kind, text)
            made = surrogate(kind, value, text, self.key, self.checks.get(kind, ())) if mode == "surrogate" else None
            return made or placeholder.format(kind=f"{kind}:{pseudonym(kind, value, self.key)}")
        return placeholder.format(kind=kind)


PLAIN = Redactor()
"""Without a key."""


def hash_of(kind: str, value: str, key: Key) -> str:
    """The 16 hexadecimal digits by which findings know a value, to be found again by who has the value and the key."""
    return key.digest("value", kind, normalised(kind, value)).hex()[:16]


@dataclass(frozen=True)
class Cut:
    """Characters to be replaced, because of `finding`, the widest of those that overlap there."""

    field: str
    span: Span
    finding: Finding
    mode: Mode


def merged(cuts: Iterable[tuple[Finding, Mode]]) -> list[Cut]:
    """Findings to redact, in order; those that overlap are one, named by the widest."""
    done: list[Cut] = []
    for finding, mode in sorted(cuts, key=lambda cut: (cut[0].field, cut[0].span.start, -cut[0].span.end)):
        span, last = finding.span, done[-1] if done else None
        if last is not None and last.field == finding.field and span.start < last.span.end:
            widest = last.finding.span
            wider = (finding, mode) if span.end - span.start > widest.end - widest.start else (last.finding, last.mode)
            done[-1] = Cut(last.field, Span(last.span.start, max(last.span.end, span.end)), *wider)
        else:
            done.append(Cut(finding.field, span, finding, mode))
    return done


def redacted(text: str, redactions: Iterable[Redaction]) -> str:
    """`text` with the redactions of its field applied; every other character untouched.

    >>> redacted("write to a@b.cn now", [Redaction("text", Span(9, 15), "<EMAIL>")])
    'write to <EMAIL> now'
    """
    pieces: list[str] = []
    at = 0
    for _, (start, end), replacement in sorted(redactions, key=lambda redaction: redaction.span):
        pieces += (text[at:start], replacement)
        at = end
    return "".join([*pieces, text[at:]])


def by_field(redactions: Iterable[Redaction]) -> dict[str, list[Redaction]]:
    """Redactions by the path of their field."""
    found: dict[str, list[Redaction]] = {}
    for redaction in redactions:
        found.setdefault(redaction.field, []).append(redaction)
    return found


def of_record(record: Record, redactions: Iterable[Redaction]) -> Record:
    """A record with redactions made in its fields."""
    changes = by_field(redactions)
    return record._replace(fields=tuple(part._replace(text=redacted(part.text, changes.get(part.path, ()))) for part in record.fields))


def restless(redactions: Sequence[Redaction], again: Iterable[tuple[Finding, Mode]]) -> set[tuple[str, Span]]:
    """Field and span of the redactions that would not stay as they are: `again` is what is found in the redacted text.

    A mask that is masked again stays; nothing else does.
    """
    moved: dict[str, list[tuple[Span, Span]]] = {}
    shift: dict[str, int] = {}
    for path, (start, end), replacement in sorted(redactions, key=lambda redaction: redaction[:2]):
        begins = start + shift.get(path, 0)
        moved.setdefault(path, []).append((Span(start, end), Span(begins, begins + len(replacement))))
        shift[path] = shift.get(path, 0) + len(replacement) - (end - start)
    masks = {redaction[:2] for redaction in redactions if redaction.replacement == masked(redaction.replacement)}
    found: set[tuple[str, Span]] = set()
    for finding, mode in again:
        here = moved.get(finding.field, [])
        start, end = finding.span
        for before, now in here[bisect_right(here, start, key=lambda pair: pair[1].end) :]:  # they lie in order, and apart
            if now.start >= end:
                break
            place = finding.field, before
            if not (mode == "mask" and place in masks and now.start <= start and end <= now.end):
                found.add(place)
    return found
