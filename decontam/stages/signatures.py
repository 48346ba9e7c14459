"""Traces of LLM APIs and chat products: payloads, streams, ids, templates, refusals, web artefacts.

A text may talk about a trace instead of being one. What the stage can see of that it notes as `detail["mention"]`;
what follows from it is the policy's affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from decontam.extents import data_regions, extent
from decontam.matching import neighbours
from decontam.rules import Nearby
from decontam.scan import Match, Scanner, finding
from decontam.types import Finding, Span
from decontam.view import View

_REACH = 80  # characters before a match in which a word of mentions.yaml counts
_LONGEST_QUOTE = 240
_LEADERS = ":\"' \t\r\n"
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』", "«": "»", "„": "“", "‹": "›"}
# Kinds that are prose: they count as mentioned where they are quoted. Payloads are full of quotes of their own.
_PROSE = {"REFUSAL", "SELF_IDENTIFICATION", "KNOWLEDGE_CUTOFF", "UI_ARTEFACT", "CITATION", "CHAT_TEMPLATE", "REASONING", "MASKED_SIGNATURE"}

# Kinds that are parts of a payload, which may be cut out of a document.
_PAYLOADS = {"API_PAYLOAD", "API_STREAM", "API_ID", "API_HEADER", "API_ERROR", "TOOL_CALL"}


# What a program fills in; what somebody masked is written in capitals.
_PLACEHOLDER = re.compile(r"\$?\{\{?\s?[a-z_][\w.\[\]]{0,30}\s?\}|%\([a-z_]+\)s|%s\b|<%=")


def _rest_of_sentence(text: str, span: Span) -> str:
    return re.split(r"[.\n]", text[span.start : span.end + _REACH].replace("\n", " ", 2), maxsplit=1)[0]


def _in_inline_code(text: str, span: Span) -> bool:
    line = text.rfind("\n", max(0, span.start - _LONGEST_QUOTE), span.start) + 1
    before = text[max(line, span.start - _LONGEST_QUOTE) : span.start]
    after = text[span.end : span.end + _LONGEST_QUOTE].partition("\n")[0]
    return before.count("`") % 2 == 1 and "```" not in before and "`" in after


def _in_quotes(view: View, span: Span, answer_keys: tuple[str, ...]) -> bool:
    text = view.text
    before = text[max(0, span.start - _REACH) : span.start].rstrip()
    closing = _QUOTES.get(before[-1:], "")
    if not closing or closing not in text[span.end : span.end + _LONGEST_QUOTE].partition("\n")[0]:
        return False
    key, colon, rest = before[:-1].rpartition(":")
    if not colon or rest.strip() or not view.once(_is_data, _is_data):
        return True
    return not (_last_word(key) in answer_keys or view.once(_has_one_key, _has_one_key))


def _is_data(view: View) -> bool:
    """Whether the text is a row of data, or several, and not a document in which one is shown."""
    text = view.text.strip()
    return text[:1] in ("{", "[") and text[-1:] in ("}", "]")


def _has_one_key(view: View) -> bool:
    """Whether a row of data has but one key, or is the only value of such a row."""
    return view.text.count('":') <= 1 + view.text.count('\\":')


def _regions(view: View) -> list[Span]:
    return data_regions(view.text)


def _last_word(text: str) -> str:
    """
    >>> _last_word('{"the_text" ')
    'the_text'
    """
    words = "".join(character if character.isalnum() or character == "_" else " " for character in text).split()
    return words[-1] if words else ""


@dataclass(frozen=True)
class Signatures:
    scanner: Scanner
    mentions: Nearby
    answer_keys: tuple[str, ...]
    name: str = "signatures"

    @classmethod
    def load(cls, options: Mapping[str, Any], scanner: Scanner) -> Signatures:
        shared = files("decontam") / "packs" / "_shared" / "mentions.yaml"
        said = yaml.safe_load(shared.read_text("utf-8"))
        mentions = Nearby(words=tuple(said["words"]), characters=_REACH, before=True)
        return cls(scanner, mentions, tuple(said["answer_keys"]))

    def _mention(self, view: View, kind: str, span: Span) -> str | None:
        """Why the match is a mention, or None."""
        found = view.text[slice(*span)]
        span = Span(span.start + len(found) - len(found.lstrip(_LEADERS)), span.end)  # a pattern may begin with what leads up to it
        if _in_inline_code(view.text, span):
            return "inline code"
        if kind not in _PROSE:
            return None
        if _in_quotes(view, span, self.answer_keys):
            return "quoted"
        if kind != "MASKED_SIGNATURE" and _PLACEHOLDER.search(_rest_of_sentence(view.text, span)):
            return "template"
        before = view.text[max(0, span.start - _REACH) : span.start].encode("utf-8", "replace")
        return "discussed" if before and neighbours(self.mentions).stand(before, len(before), len(before)) else None

    def _findings(self, view: View, matches: Iterable[Match]) -> Iterator[Finding]:
        reached: Span | None = None
        for match in matches:
            if match.rule.stage == self.name:
                detail: dict[str, Any] = {}
                mention = self._mention(view, match.rule.kind, match.span)
                if mention:
                    detail["mention"] = mention
                elif match.rule.kind in _PAYLOADS:
                    if reached is None or not (reached.start <= match.span.start and match.span.end <= reached.end):
                        reached = extent(view.text, match.span, view.once(data_regions, _regions))
                    detail["extent"] = list(reached)
                yield finding(match, view, **detail)

    def inspect(self, view: View) -> list[Finding]:
        matches = view.once(self.scanner, self.scanner.find)
        return list(self._findings(view, matches)) if matches else []
