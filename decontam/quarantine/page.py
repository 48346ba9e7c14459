"""Page: a dump to be read in a browser: one file without a script, which asks for nothing else; texts show as text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import IO, Any

from decontam.quarantine.dump import Entry, excerpt
from decontam.quarantine.records import Text, segments
from decontam.types import Finding

_STYLE = Path(__file__).parent / "pages" / "dump.css"
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_RULES_SHOWN = 12


def shown(text: str) -> str:
    """A text as HTML that is nothing but text: what nobody would see, or what turns the direction of writing, is named.

    >>> shown("<b>\\u202e&")
    '&lt;b&gt;<i>U+202E</i>&amp;'
    """
    return _UNSEEN.sub(lambda match: f"<i>U+{ord(match[0]):04X}</i>", escape(text))


def page(given: Iterable[Entry], file: IO[str], many: int, of: int, manifest: Mapping[str, Any]) -> None:
    """Write `many` of the `of` records of a run's quarantine, one below the other."""
    style = _STYLE.read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    file.write(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="content-security-policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>Quarantine</title><style>{style}</style></head><body><header><h1>Quarantine</h1>"
        f"<p>{many:,} of {of:,} records that a run of {escape(str(manifest['began'])[:10])} took out. "
        "Credentials are covered.</p></header>\n"
    )
    for entry in given:
        file.write(_entry(entry))
    file.write("</body></html>\n")


def _entry(entry: Entry) -> str:
    held, drawn = entry.held, entry.drawn
    facts = [f"{held.shard}:{held.row}"]
    if drawn.probability < 1:
        facts.append(f"stratum {drawn.stratum}, drawn with probability {drawn.probability:.3g}")
    if not held.exact:
        facts.append("credentials were taken out before it was held")
    elif held.hidden:
        facts.append(f"{held.hidden:,} credentials covered")
    if held.problem:
        facts.append(held.problem)
    rules = _rules(held.findings)
    texts = "".join(_text(text, held.findings) for text in held.texts)
    return f"<article><h2>{shown(held.id or '(no id)')}</h2><p>{' · '.join(map(shown, facts))}</p><ul>{rules}</ul>{texts}</article>\n"


def _rules(findings: Iterable[Finding]) -> str:
    found: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda finding: (-finding.strength, -finding.score, finding.name)):
        found.setdefault(finding.name, finding)
    lines = [
        f'<li class="{_stage(finding)}"><b>{shown(name)}</b> {shown(finding.kind)} {shown(finding.provider or "")} '
        f"{finding.strength.name.lower()}{f' {finding.score:.3f}' if finding.score < 1 else ''}</li>"
        for name, finding in list(found.items())[:_RULES_SHOWN]
    ]
    if len(found) > _RULES_SHOWN:
        lines.append(f"<li>and {len(found) - _RULES_SHOWN} more</li>")
    return "".join(lines)


def _stage(finding: Finding) -> str:
    return f"stage-{finding.stage if re.fullmatch('[a-z_]+', finding.stage) else 'other'}"


def _text(text: Text, findings: tuple[Finding, ...]) -> str:
    start, piece = excerpt(text, findings)
    marks = [(number, finding.span) for number, finding in enumerate(findings) if finding.field == text.path]
    pieces = []
    for segment in segments(text.text, marks, start, start + len(piece)):
        inside = shown(segment.text)
        for number in reversed(segment.findings):
            inside = f'<mark class="{_stage(findings[number])}" title="{escape(findings[number].name)}">{inside}</mark>'
        pieces.append(inside)
    title = text.path + (f" · {text.role}" if text.role else "") + ("" if text.screened else " · not screened")
    if len(piece) < len(text.text):
        title += f" · characters {start:,} to {start + len(piece):,} of {len(text.text):,}"
    return f'<h3>{shown(title)}</h3><pre class="{"" if text.screened else "other"}">{"".join(pieces)}</pre>'
