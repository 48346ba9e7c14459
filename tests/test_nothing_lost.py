"""The law of the house: whatever a shard contains, each of its lines is kept, redacted, quarantined or in errors, whole and once."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decontam.config import load_config
from decontam.errors import InputError
from decontam.files import Source
from decontam.inputs import discover
from decontam.run import Job, run

from .conftest import COMPRESS
from .test_run import API, BOTH, HUMAN, MAIL, SECRET

CONFIG = load_config(None, {"input": {"max_error_rate": 1, "max_record_bytes": 3000}, "quarantine": {"secrets": "keep"}})
FUZZ = int(os.environ.get("DECONTAM_FUZZ", "150"))  # shards of up to twenty lines
CORPUS = sorted(Path(__file__).with_name("corpus").glob("*.jsonl"))
PLANTED = {f"@{name}".encode(): orjson.dumps(record) for name, record in [("API", API), ("MAIL", MAIL), ("SECRET", SECRET), ("BOTH", BOTH)]}

text = st.text(st.characters() | st.sampled_from('\\"/\té我😀\ud800\x00\u2028'), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
known = st.sampled_from([HUMAN, API, MAIL, SECRET, BOTH])
texts = st.fixed_dictionaries({"text": text | values}, optional={"id": values, "x": values})
records = known | texts | st.dictionaries(text, values, max_size=3)


def dumped(record: object, ascii_only: bool, space: str) -> bytes:
    return json.dumps(record, ensure_ascii=ascii_only, separators=(f",{space}", f"{space}:")).encode("utf-8", "replace")


written = st.builds(dumped, records, st.booleans(), st.sampled_from(["", " ", "\t"]))
mangled = st.builds(
    lambda line, at, junk: line[: at % (len(line) + 1)] + junk + line[at % (len(line) + 1) :],
    written,
    st.integers(0, 10_000),
    st.binary(max_size=3) | st.sampled_from([b"\xff", b"\x00", b'"', b"{", b"\\", b"\r", b"\xef\xbb\xbf"]),
)
odd = st.sampled_from([b"", b"  ", b"\r", b"null", b"[]", b'"text"', b"{", b'{"text": "' + b"x" * 5000 + b'"}', b'{"text":"a","text":"b"}'])
some = st.lists((written | mangled | odd | st.binary(max_size=60)).map(lambda line: line.replace(b"\n", b"")), max_size=20)
# A shard without any text is refused; one with some is screened.
lines = some | st.builds(lambda given, at: [*given[:at], orjson.dumps(HUMAN), *given[at:]], some, st.integers(0, 20))


def accounted_for(out: Path, name: str, given: list[bytes]) -> tuple[list[bytes], int]:
    """The lines that can be found again, in order, any that are there twice behind them, and how many were redacted."""
    kept: list[bytes] = []
    if (out / "kept" / name).exists():
        with Source(str(out / "kept" / name)) as source:
            kept = b"".join(iter(source.read, b"")).split(b"\n")
    gone: dict[int, bytes] = {}
    if (out / f"errors/{name}.jsonl").exists():
        for error in map(orjson.loads, (out / f"errors/{name}.jsonl").read_bytes().splitlines()):
            raw = (out / error["raw_file"]).read_bytes() if "raw_file" in error else error.get("raw", "").encode()
            gone[error["row"]] = raw or base64.b64decode(error.get("raw_base64", ""))
    if (out / f"quarantine/{name}.parquet").exists():
        gone.update({row["row"]: row["record"] for row in pq.read_table(out / f"quarantine/{name}.parquet").to_pylist()})
    found, redacted, rest = [], 0, iter(kept)
    for row, line in enumerate(given):
        back = gone[row] if row in gone else next(rest, b"" if not line.strip() else None)
        redacted += back != line and row not in gone
        found.append(line if back is not None and row not in gone else back)
    return found + [line for line in rest if line.strip()], redacted


def offsets(out: Path, name: str) -> list[tuple[int, int]]:
    """(row, byte offset in the decompressed shard) of everything that was taken out with its bytes."""
    places = []
    if (out / f"errors/{name}.jsonl").exists():
        places += [(error["row"], error["offset"]) for error in map(orjson.loads, (out / f"errors/{name}.jsonl").read_bytes().splitlines())]
    if (out / f"quarantine/{name}.parquet").exists():
        places += [(row["row"], row["offset"]) for row in pq.read_table(out / f"quarantine/{name}.parquet").to_pylist()]
    return places


def counted(shards: dict[str, list[bytes]], codec: str, newline: bool) -> Counter[str]:
    """Screen shards of these lines: how many records were tried, how many are lost, doubled, misplaced or miscounted."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as top:
        Path(top, "in").mkdir()
        for name, given in shards.items():
            data = b"\n".join(given) + (b"\n" if newline and given else b"")
            Path(top, f"in/{name}{codec}").write_bytes(COMPRESS[codec](data))
        try:
            report = run(Job(config=CONFIG, shards=discover([f"{top}/in"])[0], out=f"{top}/out"))
        except InputError:  # none of the records has a text: refused before anything is written
            assert not Path(top, "out").exists()
            return Counter(refused=len(shards))
        redacted = 0
        for name, given in shards.items():
            found, changed = accounted_for(Path(top, "out"), f"{name}{codec}", given)
            whole = b"\n".join(given)
            places = offsets(Path(top, "out"), f"{name}{codec}")
            redacted += changed
            counts["records"] += sum(bool(line.strip()) for line in given)
            counts["lost"] += sum(line != back for line, back in zip(given, found, strict=False))
            counts["doubled"] += len(found) - len(given)
            counts["misplaced"] += sum(whole[offset : offset + len(given[row])] != given[row] for row, offset in places)
    tally = report["tally"]
    books = [tally["records"], sum(tally["outcomes"].values()), tally["outcomes"].get("redacted", 0)]
    counts["miscounted"] += books != [counts["records"], counts["records"], redacted]
    counts["failed"] += len(report["problems"])
    counts["shards"] += len(shards)
    return counts


NOTHING = {"lost": 0, "doubled": 0, "misplaced": 0, "miscounted": 0, "failed": 0}


def told(counts: Counter[str]) -> str:
    faults = ", ".join(f"{name} {counts[name]}" for name in NOTHING)
    return f"{counts['records']:,} records in {counts['shards']:,} fuzzed shards: {faults} ({counts['refused']} shards refused)"


def test_every_line_is_somewhere_whole_and_once() -> None:
    """DECONTAM_FUZZ=2000 tries more than ten thousand records."""
    counts: Counter[str] = Counter()

    @settings(max_examples=FUZZ)
    @given(lines, st.sampled_from(sorted(COMPRESS)), st.booleans())
    def law(given: list[bytes], codec: str, newline: bool) -> None:
        seen = counted({"a.jsonl": given}, codec, newline)
        counts.update(seen)
        assert NOTHING == {name: seen[name] for name in NOTHING}

    try:
        law()
    finally:
        print(told(counts))


def corpus(path: Path) -> list[bytes]:
    """The lines of a stored shard. A line @NAME stands for a record that has a secret in it, which no file here may hold."""
    return [PLANTED.get(line, line) for line in path.read_bytes().split(b"\n")]


@pytest.mark.parametrize("codec", sorted(COMPRESS))
def test_the_stored_corpus_is_somewhere_whole_and_once(codec: str) -> None:
    counts = counted({path.name: corpus(path) for path in CORPUS}, codec, newline=False)
    print("corpus:", told(counts))

    assert len(CORPUS) >= 60
    assert NOTHING == {name: counts[name] for name in NOTHING}
