"""datatrove's shards in and out: a reader that loses nothing, and a writer whose files appear whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from string import Template
from time import perf_counter
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.readers.base import BaseDiskReader
from datatrove.utils.typeshelper import StatHints

import decontam
from decontam.adapters.datatrove_stats import Gathered
from decontam.codecs import codec_of
from decontam.config import Config, check
from decontam.errors import ShardError
from decontam.folders import Folder
from decontam.jsonl import LineWriter
from decontam.jsontext import line_of
from decontam.layout import Unreadable, layout_of
from decontam.outputs import ErrorLog
from decontam.paths import steps
from decontam.places import Place
from decontam.shards import is_shard, opened


def text_key(keys: Sequence[str]) -> str:
    """What a config calls the text of a document, which datatrove keeps apart from the rest.

    >>> text_key(["content"]), text_key(["messages[*].content", "prompt"])
    ('content', 'text')
    """
    return keys[0] if len(keys) == 1 and len(steps(keys[0])) == 1 else "text"


class DecontamReader(BaseDiskReader):
    """Reads JSON lines (plain, gzip, zstd, bzip2) and Parquet, whichever a file is, and loses nothing.

    A record that cannot be read goes to `errors` with its bytes, or stops the task if there is no such folder; a file
    that is truncated or corrupt stops it too. Empty texts are kept. Integers beyond 64 bits become floats.

    Args:
        data_folder: a str, tuple or DataFolder; credentials come from the environment
        errors: folder or URL for what cannot be read: JSON lines for each file
        config: as for Decontam; it says where texts and ids are, how large a record may be and how many may be broken
        **options: of datatrove's BaseDiskReader: glob_pattern, paths_file, limit, skip, adapter, text_key ...

    Raises ConfigError; while it runs, ShardError.
    """

    name = "🧼 Shards"
    __slots__ = ("_errors", "_gathered", "_options", "_path")

    def __init__(self, data_folder: Any, errors: str | None = None, config: str | Config | None = None, **options: Any) -> None:
        settings = dict(decontam.load(config).options)
        given = settings["input"]
        if "text_key" in options:
            given = {**given, "text_key": [options["text_key"]]}
        options = {"id_key": given["id_key"], **options, "text_key": text_key(given["text_key"])}
        super().__init__(data_folder, **options)
        self._gathered, self._path = Gathered(), ""
        self._errors, self._options = errors, {**settings, "input": {**given, "id_key": options["id_key"]}}

    def read_file(self, filepath: str) -> Iterator[Document]:
        """The documents of one file, in order."""
        if not self.glob_pattern and not self.paths_file and not is_shard(filepath):
            self.stat_update("passed_over", unit="input_file")
            return
        config = check(self._options)
        path = self.data_folder.resolve_paths(filepath)
        self._path = path
        with ExitStack() as stack, opened(path, layout_of(config), filepath, config.input.max_record_bytes) as content:
            stack.callback(self._gathered.hand_over, self.stats)
            log = ErrorLog(stack, Folder(self._errors), f"{filepath}.jsonl", f"{filepath}.jsonl") if self._errors else None
            records = errored = 0
            for place in content.places(lambda position: True):
                value = content.whole(place)
                if value is None:
                    continue
                records += 1
                if isinstance(value, Unreadable):
                    errored += 1
                    self._gathered.count("errored", f"errored_{value.reason}")
                    if log is None:
                        raise ShardError(f"{path}: row {place.row}: {value.message}; give errors= a folder to set such records aside")
                    log.add(filepath, place, value, content)
                    continue
                yield self.get_document_from_dict(value, filepath, place.row)
        if errored > config.input.max_error_rate * records:
            raise ShardError(
                f"{path}: {errored:,} of {records:,} records could not be read, more than input.max_error_rate "
                f"{config.input.max_error_rate:g} allows; see {self._errors}/{filepath}.jsonl"
            )

    def get_document_from_dict(self, data: dict[str, Any], source_file: str, id_in_file: int | str) -> Document:
        """A record as a document, with or without a text."""
        document = Document(**self.adapter(data, source_file, id_in_file))
        if self.default_metadata:
            document.metadata = self.default_metadata | document.metadata
        if self.add_file_path:
            document.metadata.setdefault("file_path", self._path)
        return document

    def update_doc_stats(self, document: Document) -> None:
        """Count a document."""
        self._gathered.length(len(document.text))

    def _default_adapter(self, data: dict[str, Any], path: str, id_in_file: int | str) -> dict[str, Any]:
        text = data.pop(self.text_key) if type(data.get(self.text_key)) is str else ""
        id = data.pop(self.id_key, None)
        nested = data.get("metadata")
        if type(nested) is dict and not nested.keys() & (data.keys() - {"metadata"}):
            data |= data.pop("metadata")
        return {"text": text, "id": f"{path}/{id_in_file}" if id is None else id, "metadata": data}


class DecontamWriter(PipelineStep):
    """Writes JSON lines, a file for each rank, which appears whole or not at all.

    Args:
        output_folder: folder or URL; credentials come from the environment
        output_filename: with `${rank}` in it; `.zst`, `.gz` and `.bz2` say how it is compressed
        expand_metadata: each entry of the metadata under a key of its own, beside `text` and `id`
        zstd_level: 1 to 19

    Raises ValueError; while it runs, OSError.
    """

    type = "💽 - WRITER"
    name = "🧼 Lines"
    __slots__ = ("_folder", "_gathered", "_lines", "_publishing")

    def __init__(
        self, output_folder: str, output_filename: str = "${rank}.jsonl.zst", expand_metadata: bool = False, zstd_level: int = 1
    ) -> None:
        super().__init__()
        if "${rank}" not in output_filename:
            raise ValueError(f"output_filename {output_filename!r} lacks ${{rank}}: tasks would write the same file")
        self.output_filename = output_filename
        self.expand_metadata = expand_metadata
        self.zstd_level = zstd_level
        self._folder = str(output_folder)
        self._gathered = Gathered()
        self._lines: LineWriter | None = None
        self._publishing: AbstractContextManager[Any] | None = None

    def write(self, document: Document, rank: int = 0) -> None:
        """Write a document to the file of its rank."""
        row = {"text": document.text, "id": document.id}
        if self.expand_metadata:
            row = row | document.metadata | row
        else:
            row["metadata"] = document.metadata
        if document.media:
            row["media"] = [{**asdict(media), "media_bytes": None} for media in document.media]
        (self._lines or self._begun(rank)).write(line_of(row))
        self._gathered.count(StatHints.total)
        self._gathered.length(len(document.text))

    def _begun(self, rank: int) -> LineWriter:
        name = Template(self.output_filename).substitute(rank=f"{rank:05d}")
        place = Place(self._folder)
        place.sweep(lambda other: other == name)
        self._publishing = place.publishing(name)
        self._lines = LineWriter(self._publishing.__enter__(), codec_of(name), self.zstd_level)
        return self._lines

    def run(self, data: Iterator[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Write the documents of a rank, and hand them on."""
        with self:
            for document in data or ():
                began = perf_counter()
                self.write(document, rank)
                self._gathered.seconds += perf_counter() - began
                yield document

    def __enter__(self) -> DecontamWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        lines, publishing = self._lines, self._publishing
        self._lines = self._publishing = None
        self._gathered.hand_over(self.stats)
        if lines is not None and publishing is not None:
            if error[0] is None:
                lines.write(b"")  # the last line ends with a newline too
                lines.close()
            publishing.__exit__(*error)
