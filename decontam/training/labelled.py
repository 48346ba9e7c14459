"""Labelled: texts of one's own, scored by a model as it is shipped, to calibrate it and to see how good it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from decontam.calibration import Band, Calibrated
from decontam.config import Config
from decontam.errors import InputError
from decontam.inputs import discover
from decontam.layout import Unreadable, layout_of
from decontam.scorers import Scorer, reading
from decontam.shards import opened
from decontam.types import Record
from decontam.view import View

LABELS = {"human": True, "llm": False}


class Text(NamedTuple):
    """One text: where it is from, whether a human wrote it, and its score; or `why` it has none."""

    source: str
    human: bool
    language: str
    tokens: int
    score: float
    why: str | None = None

    def band(self, languages: Calibrated) -> Band | None:
        """What its score is held to; None where the stage would abstain."""
        calibration = languages.get(self.language)
        return None if self.why is not None or calibration is None else calibration.band(self.tokens)


def scored(scorer: Scorer, text: str, language: str | None, source: str, human: bool) -> Text:
    """One text as the stage would score it."""
    view = View.of(text)
    view.language = language
    read = reading(view)
    if read.why is not None or read.prose is None:
        return Text(source, human, read.language, 0 if read.prose is None else len(read.prose.keys), float("nan"), read.why or "short")
    score = scorer.score(view, read.prose)
    return Text(source, human, read.language, len(read.prose.keys), score)


def _records(paths: Sequence[str], config: Config) -> Iterator[tuple[str, Record, dict[str, object]]]:
    layout = layout_of(config)
    shards, _ = discover(tuple(paths))
    for shard in shards:
        with opened(shard.path, layout, shard.name, config.input.max_record_bytes) as content:
            for place in content.places(lambda position: True):
                record = content.read(place)
                if record is not None and not isinstance(record, Unreadable):
                    whole = content.whole(place)
                    yield PurePath(shard.name).name.partition(".")[0], record, whole if isinstance(whole, dict) else {}


def texts_of(paths: Sequence[str], human: bool, scorer: Scorer, config: Config, source_key: str = "source") -> Iterator[Text]:
    """The texts of shards, all of them human or none; each record's source is what `source_key` holds, or its shard."""
    for shard, record, whole in _records(paths, config):
        said = record.meta.get("language")
        for field in record.fields:
            yield scored(scorer, field.text, said, str(whole.get(source_key) or shard), human)


def labelled(paths: Sequence[str], scorer: Scorer, config: Config, source_key: str = "source", label_key: str = "label") -> Iterator[Text]:
    """The texts of shards whose records say `human` or `llm` under `label_key`. Raises InputError for others."""
    for shard, record, whole in _records(paths, config):
        label = whole.get(label_key)
        if label not in LABELS:
            raise InputError(f"{shard}: record {record.id} has no {label_key} that is human or llm (--label-key names another key)")
        said = record.meta.get("language")
        for field in record.fields:
            yield scored(scorer, field.text, said, str(whole.get(source_key) or shard), LABELS[str(label)])


def judged(texts: Iterable[Text]) -> list[Text]:
    """Those that have a score."""
    return [text for text in texts if text.why is None]
