"""The nouns. They import nothing of ours, hold no behaviour worth the name, and never change once made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, Any] = MappingProxyType({})


PROVENANCE = "provenance"
"""The role of a field that is no text but says what made the record: `model`, `generator`."""


class Span(NamedTuple):
    """Half-open range of characters in the ORIGINAL text of a field, always."""

    start: int
    end: int


class Field(NamedTuple):
    """One text of a record: where it stands (`text`, `messages[2].content`), what it says, who said it."""

    path: str
    text: str
    role: str | None = None


class Record(NamedTuple):
    """What one line of a shard, one row of a table or one host document becomes.

    `meta["source"]` names the shard that the record came from, where that is known; `language`, `url`, `crawled` and `dated`
    are what the record says of itself under the keys that the config names.
    """

    id: str
    fields: tuple[Field, ...]
    meta: Mapping[str, Any] = _NOTHING


class Reference(NamedTuple):
    """A text that must not be in training data, and where it stands."""

    id: str
    """Of the record; unique in its source where the source allows."""
    text: str
    """What is indexed."""
    source: str
    """The file, as it was named."""
    start: int = 0
    end: int = 0
    """The record's bytes in the source, decompressed; 0, 0 where it has none (Parquet: the row is in `id`)."""
    part: str = "response"
    """response, prompt, question, answer, choices, passage or text"""
    provider: str | None = None
    model: str | None = None
    time: str | None = None
    """ISO 8601, UTC"""


class Strength(IntEnum):
    """How much a finding says by itself. MENTION: the text talks about the thing rather than being it."""

    MENTION = 0
    WEAK = 1
    STRONG = 2
    CONCLUSIVE = 3


class Action(IntEnum):
    """What happens to a record; ordered, so that max() decides.

    KEEP leaves it untouched. TAG too, but a findings row says what was seen. REDACT masks spans inside it. QUARANTINE
    moves it, with its original bytes, to where it can be released from. DROP keeps the evidence and not the text.
    """

    KEEP = 0
    TAG = 1
    REDACT = 2
    QUARANTINE = 3
    DROP = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing a stage saw.

    `score` is 1.0 or the validator's confidence for rules, containment for known texts, a calibrated probability for
    synthetic text. `detail` is JSON-safe, small, and never holds the matched value.
    """

    field: str
    stage: str
    rule: str
    revision: str
    kind: str
    span: Span
    strength: Strength
    score: float = 1.0
    provider: str | None = None
    detail: Mapping[str, Any] = dataclasses.field(default_factory=lambda: _NOTHING)

    @property
    def name(self) -> str:
        """`stage/rule`, as a finding is written everywhere."""
        return f"{self.stage}/{self.rule}"


class Measure(NamedTuple):
    """What a stage makes of a text as a whole, found or not: a score between 0 and 1, or None where it abstains.

    `remarks` are words from a closed set that are counted: `scored`, `abstained: short`.
    """

    score: float | None
    remarks: tuple[str, ...] = ()


class Redaction(NamedTuple):
    """Replace the characters `span` of field `field` by `replacement`."""

    field: str
    span: Span
    replacement: str


class Verdict(NamedTuple):
    """What the policy made of a record: `redactions` is empty unless `action` is REDACT.

    `scores` holds, by stage, the highest of its fields' scores; `remarks` what stages said beside their findings, as `stage/remark`.
    `provider` is the one whom the findings of model output point to, all of them weighed together.
    """

    action: Action
    findings: tuple[Finding, ...] = ()
    scores: Mapping[str, float] = _NOTHING
    redactions: tuple[Redaction, ...] = ()
    provider: str | None = None
    remarks: tuple[str, ...] = ()
