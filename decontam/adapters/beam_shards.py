"""Shards in and out of a Beam pipeline.

Beam's own readers take a gzip file that stops in the middle for a whole one; this one reads as `decontam run` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io import iobase
from apache_beam.io.filebasedsink import FileBasedSink
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PBegin, PCollection

from decontam.adapters.beam_rows import Line
from decontam.config import Config, load_config
from decontam.inputs import Shard, discover
from decontam.jsonl import LineWriter
from decontam.jsontext import line_of
from decontam.layout import Unreadable, layout_of
from decontam.shards import opened

NAMESPACE = "decontam.read"
"""Of the counter `records`: the lines that went out of ReadShards, for `beam_books.balance`."""

_SUFFIX = ".jsonl.zst"


class ReadShards(beam.PTransform):
    """The records of shards as `Line`s, for Decontaminate or anybody: files, folders, globs or URLs of JSON lines or Parquet.

    A shard is read by one worker, from front to back. One that is truncated or corrupt fails the pipeline and is named:
    its bundle is undone, so nothing of half a shard goes on. A record that cannot be handed on as a line is a Line
    with a reason, which Decontaminate sends to `errors`. Blank lines are passed over, but count as rows.

    Raises InputError where there are no shards, when the pipeline is made.
    """

    def __init__(self, inputs: str | Sequence[str], config: str | Config | None = None) -> None:
        super().__init__()
        self._shards, _ = discover([inputs] if isinstance(inputs, str) else inputs)
        self._config = config if isinstance(config, Config) else load_config(config)

    def expand(self, begin: PBegin) -> PCollection:
        shards = begin | beam.Create(self._shards) | beam.Reshuffle()
        return shards | "Read" >> beam.ParDo(_Read(self._config)).with_output_types(Line)


class _Read(beam.DoFn):
    def __init__(self, config: Config) -> None:
        self._layout, self._most = layout_of(config), config.input.max_record_bytes

    def start_bundle(self) -> None:
        self._read = 0

    def process(self, shard: Shard) -> Iterator[Line]:
        with opened(shard.path, self._layout, shard.name, self._most) as content:
            for place in content.places(lambda position: True):
                line = content.line(place)
                if isinstance(line, Unreadable):
                    self._read += 1
                    yield Line(shard.name, place.row, b"", place.size, *line)
                elif line and not line.isspace():
                    self._read += 1
                    yield Line(shard.name, place.row, line, place.size)

    def finish_bundle(self) -> None:
        Metrics.counter(NAMESPACE, "records").inc(self._read)  # a bundle that failed has counted nothing


class WriteShards(beam.PTransform):
    """Documents to shards `part-00000-of-00008.jsonl.zst` of a folder: lines as they are, rows and objects as JSON, texts as `text_key`.

    Shards appear under their names when all are written, by Beam's own rules: temporary files are renamed, and what a
    failed bundle has left is removed. `shards` is how many; 0 leaves it to the runner and saves a shuffle of all texts.
    URLs are Beam's file systems (`apache-beam[gcp]`, `[aws]`).
    """

    def __init__(self, folder: str, shards: int = 0, zstd_level: int = 1, text_key: str = "text") -> None:
        super().__init__()
        self._sink = _Shards(f"{folder.rstrip('/')}/part", shards, zstd_level, text_key)

    def expand(self, documents: PCollection) -> PCollection:
        return documents | iobase.Write(self._sink)


class _Shards(FileBasedSink):
    def __init__(self, prefix: str, shards: int, zstd_level: int, text_key: str) -> None:
        super().__init__(
            prefix,
            beam.coders.BytesCoder(),
            file_name_suffix=_SUFFIX,
            num_shards=shards,
            compression_type=CompressionTypes.UNCOMPRESSED,  # by Beam, that is: LineWriter does
        )
        self._level, self._text_key = zstd_level, text_key

    def open(self, temp_path: str) -> tuple[Any, LineWriter]:
        file = super().open(temp_path)
        return file, LineWriter(file, ".zst", self._level)

    def write_record(self, handle: tuple[Any, LineWriter], document: Any) -> None:
        handle[1].write(self._line(document))

    def _line(self, document: Any) -> bytes:
        if isinstance(document, Line):
            return document.line
        if isinstance(document, bytes):
            return document.replace(b"\n", b" ")  # between tokens; inside a string JSON has none
        return line_of({self._text_key: document} if isinstance(document, str) else document)

    def close(self, handle: tuple[Any, LineWriter]) -> None:
        file, writer = handle
        writer.write(b"")  # the last line ends with a newline, as every other
        writer.close()
        file.close()
