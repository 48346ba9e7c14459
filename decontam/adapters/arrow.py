"""Arrow batches, as Spark's mapInArrow and Ray Data's map_batches hand them out: rows in, rows out that say what became of each.

An engine may try a task again, lose one or write one twice. So the counts travel with the rows that they count: each batch, or each
partition of Spark, ends with a row whose outcome is `tally`. `books` holds them against the rows that were written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
import pyarrow as pa

import decontam
from decontam.config import Config
from decontam.documents import Documents, Screened, count_in
from decontam.errors import BooksError
from decontam.evidence import finding_row
from decontam.jsontext import line_of
from decontam.tally import Tally

TALLY = "tally"
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


class Screen:
    """Screens Arrow batches. Plain values, so it can be pickled; rules are compiled once in each process.

    Args:
        config: a file, the name of a config that comes with decontam, a Config, or None for the default
        line: the column of lines of JSON, as bytes or text: they go on byte for byte. None: rows are the documents, and go on as JSON
        encoding: of such lines, where they are text

    Raises ConfigError; what it is called for raises RuleError. No document makes it raise.
    """

    def __init__(self, config: str | Config | None = None, line: str | None = None, encoding: str = "utf-8") -> None:
        self._documents, self._line, self._encoding = Documents(dict(decontam.load(config).options)), line, encoding

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

    def _of(self, batch: Any) -> Iterator[Any]:
        if self._line is None:
            yield from batch.to_pylist()
            return
        for value in batch.column(self._line).to_pylist():
            line = value.encode(self._encoding, "surrogatepass") if isinstance(value, str) else value or b""
            if line.strip():
                yield line

    def _row(self, document: Any, tally: Tally) -> dict[str, Any]:
        line = document if isinstance(document, bytes) else line_of(document)
        # An id must not differ from try to try, and rows have no numbers here.
        number = int.from_bytes(hashlib.blake2b(line, digest_size=7).digest(), "big")
        screened = self._documents.screen(document, "", number)
        count_in(tally, screened, len(line))
        return {
            "id": screened.id.encode("utf-8", "backslashreplace").decode(),
            "outcome": screened.outcome,
            "reason": screened.reason,
            "document": _bytes(screened.document),
            "held": _bytes(self._held(document, screened)),
            "findings": line_of([finding_row(finding) for finding in screened.verdict.findings] if screened.verdict else []).decode(),
        }

    def _held(self, document: Any, screened: Screened) -> Any:
        return None if screened.document is not None else self._documents.held(document, screened.verdict)


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
        raise BooksError(
            f"{read:,} rows went in, {tally.records:,} were screened ({_said(counted)}), {sum(there.values()):,} were written ({_said(there)})"
        )
    return tally


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
