"""The books of a Beam pipeline: what its counters say, beside the rows that lie where it wrote them.

An engine that loses elements reports success all the same, and its counters are complete: only the files tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apache_beam.metrics.metric import MetricsFilter

from decontam.adapters.beam import NAMESPACE
from decontam.adapters.beam_shards import NAMESPACE as READ
from decontam.codecs import BLOCK
from decontam.errors import BooksError, InputError
from decontam.files import Source, open_bytes
from decontam.inputs import discover
from decontam.tally import COUNTERS, Tally

_LEFT = "beam-temp-"  # what a pipeline that failed had begun
_STAYING = ("kept", "tagged", "redacted")


def tally_of(result: Any) -> Tally:
    """The counters of a finished pipeline (its `PipelineResult`) as the tally of a run."""
    counted = _counters(result, NAMESPACE)
    groups: dict[str, Any] = {name: {} for name in COUNTERS}
    for name, number in counted.items():
        group, slash, label = name.partition("/")
        if slash and group in groups:
            groups[group][label] = number
    return Tally.from_dict({"records": counted.get("records", 0), "bytes": counted.get("bytes", 0), **groups})


def balance(result: Any, folders: Mapping[str, str]) -> Tally:
    """The tally of a finished pipeline, once it is sure that nothing of it was lost or came twice on the way to the files.

    `folders` says where outputs were written: `kept`, `quarantined`, `findings`, `errors`, whichever there are, as shards of WriteShards
    or as Parquet. Their rows are counted; where records came out of ReadShards, so are those that were read.

    Raises BooksError, which names what differs, and ShardError where an output cannot be read.
    """
    tally = tally_of(result)
    expected = {
        "kept": sum(tally.outcomes[name] for name in _STAYING),
        "quarantined": tally.outcomes["quarantined"],
        "findings": sum(tally.findings.values()),
        "errors": tally.outcomes["errored"],
    }
    found = {name: (expected[name], _rows(folder)) for name, folder in folders.items()}
    read = _counters(result, READ).get("records")
    if read is not None:
        found["records"] = (read, tally.records)
    off = [f"{name}: {wanted:,} expected, {there:,} found" for name, (wanted, there) in found.items() if wanted != there]
    if not tally.balanced:
        off.append(f"outcomes: {tally.records:,} expected, {sum(tally.outcomes.values()):,} found")
    if off:
        raise BooksError(
            f"the pipeline is done but its books do not balance ({'; '.join(off)}); do not use its output, run it again elsewhere"
        )
    return tally


def _counters(result: Any, namespace: str) -> dict[str, int]:
    found = result.metrics().query(MetricsFilter().with_namespace(namespace))["counters"]
    numbers: dict[str, int] = {}
    for counter in found:  # a transform that was applied twice has each of them twice
        number = counter.attempted if counter.committed is None else counter.committed
        numbers[counter.key.metric.name] = numbers.get(counter.key.metric.name, 0) + number
    return numbers


def _rows(folder: str) -> int:
    try:
        shards, _ = discover([folder])
    except InputError:  # nothing there, which may be what was expected
        return 0
    return sum(_rows_in(shard.path) for shard in shards if not shard.name.startswith(_LEFT))


def _rows_in(path: str) -> int:
    if path.endswith(".parquet"):
        import pyarrow.parquet as pq

        with open_bytes(path) as file:
            return int(pq.read_metadata(file).num_rows)
    with Source(path) as source:
        return sum(block.count(b"\n") for block in iter(lambda: source.read(BLOCK), b""))
