"""Arrow batches, as Spark's mapInArrow and Ray Data's map_batches hand them out: rows in, rows out that say what became of each.

An engine may try a task again, lose one or write one twice. So the counts travel with the rows that they count: each batch, or each
partition of Spark, ends with a row whose outcome is `tally`. `books` holds them against the rows that were written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

import decontam
from decontam.config import Config, check
from decontam.documents import Documents, Screened, count_in
from decontam.errors import BooksError
from decontam.evidence import finding_row
from decontam.jsontext import line_of
from decontam.layout import Place, Unreadable, layout_of
from decontam.shards import opened
from decontam.tally import Tally

TALLY = "tally"
_ROWS = 4096  # of a batch of lines
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("document", pa.binary()),
        ("held", pa.binary()),
        ("findings", pa.string()),
        ("tally", pa.string()),
    ]
)
"""`document`: the line of JSON that goes on, redacted where it was; null where it does not. `held`: what is kept of one that was taken out,
as `quarantine` in the config says. `findings`: JSON, without text. `tally`: counts, in rows whose outcome is `tally`."""
SPARK = "id string, outcome string, reason string, document binary, held binary, findings string, tally string"
"""The same for Spark."""


LINES = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int64()),
        ("line", pa.binary()),
        ("size", pa.int64()),
        ("reason", pa.string()),
        ("message", pa.string()),
    ]
)
"""A record of a shard as a line of JSON, its number there and the bytes it takes; why there is no line where it could not be read."""


class Read:
    """Reads shards as `decontam run` does, for engines whose own readers lose records; for Ray Data's map_batches, `batch_size=1`.

    A batch has columns `path` and `name`, as `decontam.inputs.discover` tells them of shards. Raises ConfigError; what it is called for
    raises ShardError where a shard is truncated or corrupt.
    """

    def __init__(self, config: str | Config | None = None) -> None:
        self._options = dict(decontam.load(config).options)

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """The lines of the shards of a batch, some thousands at a time."""
        config = check(self._options)
        for shard in batch.to_pylist():
            with opened(shard["path"], layout_of(config), shard["name"], config.input.max_record_bytes) as content:
                rows = (row for place in content.places(lambda position: True) if (row := _line(shard["name"], place, content.line(place))))
                while some := list(islice(rows, _ROWS)):
                    yield pa.Table.from_pylist(some, LINES)


def _line(source: str, place: Place, line: bytes | Unreadable | None) -> dict[str, Any] | None:
    if isinstance(line, Unreadable):
        return {"source": source, "row": place.row, "size": place.size, "reason": line.reason, "message": line.message}
    return {"source": source, "row": place.row, "line": line, "size": place.size} if line and not line.isspace() else None


class _Given(NamedTuple):
    document: Any
    source: str
    row: int
    size: int


class Screen:
    """Screens Arrow batches. Plain values, so it can be pickled; rules are compiled once in each process.

    Args:
        config: a file, the name of a config that comes with decontam, a Config, or None for the default
        line: the column of lines of JSON, as bytes or text: they go on byte for byte. None: rows are the documents, and go on as JSON

    Raises ConfigError; what it is called for raises RuleError. No document makes it raise.
    """

    def __init__(self, config: str | Config | None = None, line: str | None = None) -> None:
        self._documents, self._line = Documents(dict(decontam.load(config).options)), line

    def __call__(self, batch: pa.Table) -> pa.Table:
        """One batch, with its tally; for Ray Data, `batch_format="pyarrow"`."""
        tally = Tally()
        rows = [self._row(document, tally) for document in self._of(batch)]
        return pa.Table.from_pylist([*rows, _told(tally)], SCHEMA)

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches of a partition, and one with their tally; for Spark's mapInArrow, with the schema SPARK."""
        tally = Tally()
        for batch in batches:
            yield pa.RecordBatch.from_pylist([self._row(document, tally) for document in self._of(batch)], SCHEMA)
        yield pa.RecordBatch.from_pylist([_told(tally)], SCHEMA)

    def _of(self, batch: Any) -> Iterator[_Given]:
        for row in batch.to_pylist():
            document: Any = row if self._line is None else row[self._line] or b""
            if row.get("reason"):
                yield _Given(Unreadable(row["reason"], row["message"]), row["source"], row["row"], row["size"])
                continue
            line = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
            if isinstance(line, bytes) and not line.strip():
                continue
            written = line if isinstance(line, bytes) else line_of(line)
            if self._line is not None and row.get("row") is not None:
                yield _Given(line, row["source"], row["row"], row["size"])
            else:  # an id must not differ from try to try, and rows have no numbers here
                number = int.from_bytes(hashlib.blake2b(written, digest_size=7).digest(), "big")
                yield _Given(line, "", number, len(written))

    def _row(self, given: _Given, tally: Tally) -> dict[str, Any]:
        document = given.document
        screened = self._documents.screen(document, given.source, given.row)
        count_in(tally, screened, given.size)
        return {
            "id": screened.id.encode("utf-8", "backslashreplace").decode(),
            "outcome": screened.outcome,
            "reason": screened.reason,
            "document": _bytes(screened.document),
            "held": _bytes(self._held(document, screened)),
            "findings": line_of([finding_row(finding) for finding in screened.verdict.findings] if screened.verdict else []).decode(),
        }

    def _held(self, document: Any, screened: Screened) -> Any:
        gone = screened.document is None and not isinstance(document, Unreadable)
        return self._documents.held(document, screened.verdict) if gone else None


def _bytes(document: Any) -> bytes | None:
    return document if document is None or isinstance(document, bytes) else line_of(document)


def _told(tally: Tally) -> dict[str, Any]:
    return {"outcome": TALLY, "tally": orjson.dumps(tally.to_dict()).decode()}


def books(read: int, written: Mapping[str, int], tallies: Iterable[str]) -> Tally:
    """The counts of a job: `read` rows went in, `written` are there for each outcome, `tallies` are those of the rows of outcome `tally`.

    Raises BooksError where they differ: then the engine has lost rows or written some twice.
    """
    tally = sum((Tally.from_dict(orjson.loads(each)) for each in tallies), Tally())
    there = {outcome: count for outcome, count in written.items() if outcome != TALLY and count}
    counted = {outcome: count for outcome, count in tally.outcomes.items() if count}
    if not (tally.balanced and there == counted and read == tally.records):
        screened, rows = f"{tally.records:,} were screened ({_said(counted)})", f"{sum(there.values()):,} written ({_said(there)})"
        raise BooksError(f"{read:,} rows went in, {screened}, {rows}")
    return tally


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
