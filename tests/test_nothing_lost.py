"""The law of the house: whatever a shard contains, each of its lines is kept, redacted, quarantined or in errors, whole and once."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

import orjson
import pyarrow.parquet as pq
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
lines = st.lists((written | mangled | odd | st.binary(max_size=60)).map(lambda line: line.replace(b"\n", b"")), max_size=12)


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


@settings(max_examples=150)
@given(lines, st.sampled_from(sorted(COMPRESS)), st.booleans())
def test_every_line_is_somewhere_whole_and_once(given: list[bytes], codec: str, newline: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"in/a.jsonl{codec}")
        path.parent.mkdir()
        path.write_bytes(COMPRESS[codec](b"\n".join(given) + (b"\n" if newline and given else b"")))
        shards, _ = discover([str(path)])
        try:
            report = run(Job(config=CONFIG, shards=shards, out=f"{folder}/out"))
        except InputError:  # none of the records has a text: refused before anything is written
            assert not Path(folder, "out").exists()
            return
        found, redacted = accounted_for(Path(folder, "out"), f"a.jsonl{codec}", given)

    assert given == found
    assert redacted == report["tally"]["outcomes"].get("redacted", 0)
    assert report["tally"]["records"] == sum(bool(line.strip()) for line in given) == sum(report["tally"]["outcomes"].values())
