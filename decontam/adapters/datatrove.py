"""datatrove: a step that screens documents wherever they come from, and a reader and a writer that lose nothing.

LocalPipelineExecutor([
    JsonlReader("data/"),
    Decontam("strict", quarantine="quarantine/", exclusion_writer=JsonlWriter("removed/")),
    JsonlWriter("clean/"),
], tasks=8, logging_dir="logs/")
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from time import perf_counter
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.typeshelper import StatHints

import decontam
from decontam.adapters.datatrove_io import DecontamReader, DecontamWriter, text_key
from decontam.adapters.datatrove_stats import Gathered
from decontam.adapters.sidecars import Sidecars, books, mark
from decontam.chain import timed
from decontam.config import Config, fingerprint, rules_of
from decontam.documents import Documents, Screened, count_in
from decontam.errors import ConfigError, did_you_mean
from decontam.evidence import finding_row
from decontam.jsontext import line_of
from decontam.tally import Tally

__all__ = ["Decontam", "DecontamReader", "DecontamWriter", "Pii", "Secrets", "Signatures", "books"]

_COUNTED = {"tagged", "redacted", "quarantined", "errored"}  # outcomes that datatrove has no name for


class Decontam(PipelineStep):
    """Screens documents: keeps, redacts in place, or removes.

    The text of a document is what the config calls `text_key`; other paths of it (`messages[*].content`) and provenance
    keys (`model`) lead into the metadata. In a policy, `source` is `metadata["file_path"]`.

    Every document that stays says in `metadata["decontam"]` what was found: `outcome`, `reason`, and as JSON `findings`
    and `scores`. One that goes also has `metadata["filter_reason"]`, from a closed set.

    Args:
        config: a file, the name of a config that comes with decontam, a Config, or None for the default
        quarantine: folder or URL for what is removed, a Parquet table for each rank, with the evidence
        exclusion_writer: any writer of datatrove, for what is removed
        books: folder or URL for a tally of each rank, which `books()` adds up; by default in `quarantine`
        only: the one stage to run

    Raises ConfigError; while it runs, InputError, RuleError, BooksError.
    """

    type = "🔻 - FILTER"
    name = "🧼 Decontam"
    # datatrove writes what is in __dict__ to executor.json; allow-lists name people, and URLs may hold keys.
    __slots__ = ("_books", "_documents", "_quarantine")

    def __init__(
        self,
        config: str | Config | None = None,
        quarantine: str | None = None,
        exclusion_writer: Any = None,
        books: str | None = None,
        only: str | None = None,
    ) -> None:
        if only:
            self.name = f"{self.name} {only}"
        super().__init__()
        options = dict(decontam.load(config).options)
        given = options["input"]
        self.config = "given" if isinstance(config, Config) else str(config or "default")
        self.only = only
        self.exclusion_writer = exclusion_writer
        self._key = f"decontam_{only}" if only else "decontam"
        self._text_key, self._id_key = text_key(given["text_key"]), given["id_key"]
        options["input"] = {**given, "text_key": list(dict.fromkeys([*given["text_key"], self._text_key]))}
        if only:
            options["stages"] = _alone(options["stages"], only)
        self._documents, self._quarantine, self._books = Documents(options), quarantine, books

    def run(self, data: Iterator[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Screen the documents of a rank; the order stays."""
        config = self._documents.config
        about = mark(fingerprint(config, rules_of(config)), rank, world_size)
        name = f"{self.only}/{rank:05d}" if self.only else f"{rank:05d}"
        tally, gathered, seconds, chain = Tally(), Gathered(), dict[str, float](), None
        with Sidecars(self._quarantine, self._books, name, about) as beside, self.exclusion_writer or nullcontext() as writer:
            for row, document in enumerate(data or ()):
                began = perf_counter()
                chain = chain or timed(self._documents.chain, seconds)
                source = str(document.metadata.get("file_path", ""))
                whole = {**document.metadata, self._text_key: document.text, self._id_key: document.id}
                screened = self._documents.screen(whole, source, row, chain)
                count_in(tally, screened, len(str(document.text).encode("utf-8", "replace")))
                gathered.count(*_labels(screened))
                if screened.document is not whole:
                    self._change(document, screened.document or self._set_aside(beside, whole, screened, source, row))
                document.metadata[self._key] = _evidence(screened)
                if screened.document is None:
                    document.metadata["filter_reason"] = screened.reason
                    if writer is not None:
                        writer.write(document, rank)
                    gathered.seconds += perf_counter() - began
                else:
                    gathered.length(len(document.text))
                    gathered.seconds += perf_counter() - began
                    yield document
            beside.finish(tally, seconds)
        gathered.hand_over(self.stats)
        for stage, spent in seconds.items():
            self.stat_update(f"seconds_{stage}", value=spent, unit="task")

    def _set_aside(self, beside: Sidecars, whole: dict[str, Any], screened: Screened, source: str, row: int) -> Any:
        held = self._documents.held(whole, screened.verdict)
        if screened.verdict is not None:
            beside.seclude(screened.id, row, source, screened.verdict, held, held is whole)
        elif screened.error is not None:
            beside.error(row, source, *screened.error, held)
        return held

    def _change(self, document: Document, whole: dict[str, Any] | None) -> None:
        """Give a document the texts of `whole`, or none at all."""
        if whole is None:
            document.text, document.metadata = "", {}
        else:
            document.text = whole[self._text_key]
            document.metadata |= {key: value for key, value in whole.items() if key not in {self._text_key, self._id_key}}


def _labels(screened: Screened) -> Iterator[str]:
    stays = screened.document is not None
    yield StatHints.total
    yield StatHints.forwarded if stays else StatHints.dropped
    if screened.outcome in _COUNTED:
        yield screened.outcome
    if screened.reason:
        yield f"{'redacted' if stays else 'dropped'}_{screened.reason}"


def _evidence(screened: Screened) -> dict[str, str]:
    """Texts only, and always the same keys: datatrove's ParquetWriter takes the first document for the schema of all."""
    findings, scores = (screened.verdict.findings, screened.verdict.scores) if screened.verdict else ((), {})
    return {
        "outcome": screened.outcome,
        "reason": screened.reason,
        "findings": line_of([finding_row(finding) for finding in findings]).decode() if findings else "[]",
        "scores": line_of(dict(scores)).decode() if scores else "{}",
    }


def _alone(stages: dict[str, Any], only: str) -> dict[str, Any]:
    if only not in stages:
        raise ConfigError(f"only={only!r} is no stage of the config{did_you_mean(only, stages)}; it has {', '.join(stages)}")
    return {name: {**options, "enabled": name == only} for name, options in stages.items()}


Signatures = partial(Decontam, only="signatures")
Secrets = partial(Decontam, only="secrets")
Pii = partial(Decontam, only="pii")
