"""What somebody may do to a run that has ended, and what `decontam verify` is to say of it.

`python -m tests.tampering` tries them all and prints how many were found.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

from decontam import finished, proof, tables
from decontam.audit.verify import Verified, verify
from decontam.config import load_config
from decontam.folders import Folder
from decontam.inputs import discover
from decontam.prove import fill_in
from decontam.quarantine.expiring import expire
from decontam.quarantine.ledger import digest_of
from decontam.quarantine.releasing import judged, release
from decontam.quarantine.verdicts import Verdicts
from decontam.run import Job, run

from .conftest import shard

CHAT_ID = fill_in("chatcmpl-%{alnum*29}", "tampering")
CONFIG = {"input": {"max_error_rate": 1}, "quarantine": {"retention": {"pii": "0h"}}, "policy": {"mask_limits": []}}
PII = {"rule": "pii/*", "strength": "strong", "action": "quarantine"}


def records(name: str, count: int) -> list[dict]:
    found = []
    for number in range(count):
        text = f"Record {number} of {name}: plain words, nothing else."
        if number % 10 == 3:
            text = f'{{"id": "{CHAT_ID}", "object": "chat.completion", "n": {number}}}'
        if number % 10 == 7:
            text = f"write to odalys.brennwald{number}@gartenfreunde-nord.de, please"
        found.append({"id": f"{name}-{number}", "text": text})
    return found


def make(root: Path) -> Path:
    """A run over shards of every kind that was reviewed, released from and expired; its output."""
    source, out = root / "in", root / "out"
    shard(source / "long.jsonl", [{"id": f"l-{n}", "text": f"Line {n}."} for n in range(2500)] + records("long", 10))
    shard(source / "deep/a.jsonl.gz", [*records("a", 30), b"{no json"])
    shard(source / "b.jsonl.zst", records("b", 30))
    for name, every in (("changed", records("p", 60)), ("plain", [{"id": str(n), "text": f"Row {n}."} for n in range(60)])):
        pq.write_table(pa.Table.from_pylist(every), source / f"{name}.parquet", row_group_size=20)
    config = load_config(None, {**CONFIG, "policy": {"mask_limits": [], "actions": [PII]}})
    shards, _ = discover([str(source)], str(out))
    run(Job(config=config, shards=shards, out=str(out)))
    there = finished.opened(str(out))
    with Verdicts(out / "review/verdicts.sqlite") as log:
        judged(there, log, [("b.jsonl.zst", 3), ("changed.parquet", 13), ("deep/a.jsonl.gz", 3)], "release", "jane", "a sample")
        judged(there, log, [("b.jsonl.zst", 13)], "confirm", "joe", "")
        release(there, log, "jane")
        expire(there, log, there.config.quarantine.retention, "joe")
    return out


class Tampering(NamedTuple):
    """`kind` and `name` are those of a problem that must be named; `row`, one that lies in the rows that are named."""

    about: str
    does: Callable[[Path], object]
    kind: str
    name: str
    row: int | None = None


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda out: (out / name).write_bytes(change((out / name).read_bytes()))


def edit_lines(name: str, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], object]:
    packs = {".gz": (gzip.decompress, gzip.compress), ".zst": (zstd.decompress, zstd.compress)}

    def does(out: Path) -> None:
        unpack, pack = packs.get(Path(name).suffix, (bytes, bytes))
        (out / name).write_bytes(pack(b"\n".join(change(unpack((out / name).read_bytes()).split(b"\n")))))

    return does


def edit_json(name: str, change: Callable[[dict], object]) -> Callable[[Path], object]:
    def does(out: Path) -> None:
        value = json.loads((out / name).read_bytes())
        change(value)
        (out / name).write_text(json.dumps(value))

    return does


def edit_table(name: str, change: Callable[[list[dict]], list[dict]], group: int = 1000) -> Callable[[Path], object]:
    def does(out: Path) -> None:
        table = pq.read_table(out / name)
        pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), table.schema), out / name, row_group_size=group)

    return does


def swap(one: str, other: str) -> Callable[[Path], object]:
    def does(out: Path) -> None:
        (out / one).rename(out / "x")
        (out / other).rename(out / one)
        (out / "x").rename(out / other)

    return does


def remove(name: str) -> Callable[[Path], object]:
    def does(out: Path) -> None:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return does


def add(name: str, content: bytes = b"{}\n") -> Callable[[Path], object]:
    def does(out: Path) -> None:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)

    return does


def copy(one: str, other: str) -> Callable[[Path], object]:
    return lambda out: shutil.copy(out / one, out / other)


def sql(*statements: str) -> Callable[[Path], object]:
    def does(out: Path) -> None:
        with sqlite3.connect(out / "review/verdicts.sqlite") as db:
            for statement in statements:
                db.execute(statement)
        db.close()

    return does


def edit_ledger(change: Callable[[list[dict]], list[dict]], chain: bool = False) -> Callable[[Path], object]:
    """Change entries; with `chain`, chain them anew, as who knows how would."""

    def does(out: Path) -> None:
        path = out / "review/ledger.jsonl"
        entries = change([json.loads(line) for line in path.read_bytes().splitlines()])
        lines: list[bytes] = []
        for entry in entries:
            if chain:
                entry["previous"] = digest_of(lines[-1]) if lines else entry["run"]
            lines.append(proof.canonical(entry))
        path.write_bytes(b"".join(line + b"\n" for line in lines))

    return does


def forged(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Change a kept shard and make its leaf and the whole proof anew, but not what else tells of it."""

    def does(out: Path) -> None:
        change(out)
        folder = Folder(str(out))
        leaves = [leaf for rows in tables.read(folder, proof.LEAVES) for leaf in rows]
        roots = proof.Roots()
        with tables.Table(folder, proof.LEAVES, tables.leaves_schema) as table:
            for leaf in leaves:
                if leaf["kind"] == "kept":
                    data = (out / leaf["name"]).read_bytes()
                    leaf |= {"sha256": proof.hashlib.sha256(data).hexdigest(), "size": len(data)}
                roots.add(leaf)
                table.add(leaf)
        told = json.loads((out / proof.NAME).read_bytes())
        told["files"][proof.LEAVES] = table.digest.sha256()
        made = proof.statement(roots.told(), told["files"], json.loads((out / "manifest.json").read_bytes()))
        (out / proof.NAME).write_text(json.dumps(made))

    return does


def _set(rows: list, index: int, value: object) -> list:
    rows[index] = value
    return rows


def _swapped(rows: list, one: int, other: int) -> list:
    rows[one], rows[other] = rows[other], rows[one]
    return rows


def _without(rows: list, index: int) -> list:
    return rows[:index] + rows[index + 1 :]


def _with(values: dict, key: str, value: object) -> dict:
    return {**values, key: value}


LONG, DEEP, ZST = "kept/long.jsonl", "kept/deep/a.jsonl.gz", "kept/b.jsonl.zst"
Q, F = "quarantine/changed.parquet.parquet", "findings/changed.parquet.parquet"

TAMPERINGS = [
    Tampering(
        "a letter of a kept line",
        edit_lines(LONG, lambda lines: _set(lines, 1234, lines[1234].replace(b"Line", b"Lime"))),
        "changed",
        LONG,
        1234,
    ),
    Tampering("the first kept line", edit_lines(LONG, lambda lines: _set(lines, 0, b'{"text": "x"}')), "changed", LONG, 0),
    Tampering("the last kept line", edit_lines(LONG, lambda lines: _set(lines, 2507, b'{"text": "x"}')), "changed", LONG, 2507),
    Tampering("two kept lines far apart trade places", edit_lines(LONG, lambda lines: _swapped(lines, 5, 2400)), "changed", LONG, 2400),
    Tampering("two neighbours trade places", edit_lines(LONG, lambda lines: _swapped(lines, 1500, 1501)), "changed", LONG, 1500),
    Tampering("a kept line is gone", edit_lines(LONG, lambda lines: _without(lines, 1700)), "changed", LONG, 1700),
    Tampering("a kept line is there twice", edit_lines(LONG, lambda lines: [*lines[:900], *lines[899:]]), "changed", LONG, 900),
    Tampering("a line is added at the end", edit(LONG, lambda data: data + b'{"text": "x"}\n'), "changed", LONG, 2508),
    Tampering("the last newline is gone", edit(LONG, lambda data: data[:-1]), "changed", LONG),
    Tampering("a kept file ends with CRLF", edit(LONG, lambda data: data.replace(b"\n", b"\r\n")), "changed", LONG, 0),
    Tampering("a kept file is empty", edit(LONG, lambda data: b""), "changed", LONG, 0),
    Tampering("a kept file is cut in half", edit(ZST, lambda data: data[: len(data) // 2]), "changed", ZST),
    Tampering("a bit of a compressed file", edit(DEEP, lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:]), "changed", DEEP),
    Tampering("a line of a gzip file", edit_lines(DEEP, lambda lines: _set(lines, 4, b'{"text": "x"}')), "changed", DEEP, 4),
    Tampering("a line of a zstd file", edit_lines(ZST, lambda lines: _set(lines, 4, b'{"text": "x"}')), "changed", ZST, 4),
    Tampering("the same lines compressed again", edit_lines(ZST, lambda lines: lines), "changed", ZST),
    Tampering("bytes behind the last gzip member", edit(DEEP, lambda data: data + b"\0" * 8), "changed", DEEP),
    Tampering("a kept file is gone", remove(LONG), "missing", LONG),
    Tampering("a folder of kept files is gone", remove("kept/deep"), "missing", DEEP),
    Tampering("all that was kept is gone", remove("kept"), "missing", ZST),
    Tampering("two kept files trade places", swap(LONG, ZST), "swapped", LONG),
    Tampering("a kept file is a copy of another", copy(LONG, ZST), "swapped", ZST),
    Tampering("two tables trade places", swap(F, "findings/b.jsonl.zst.parquet"), "swapped", F),
    Tampering("a kept file is added", add("kept/new.jsonl"), "added", "kept/new.jsonl"),
    Tampering("a hidden kept file is added", add("kept/.new.jsonl"), "added", "kept/.new.jsonl"),
    Tampering("a file is added to a folder of kept files", copy(LONG, "kept/deep/copy.jsonl"), "added", "kept/deep/copy.jsonl"),
    Tampering("a table of findings is added", copy(F, "findings/x.parquet"), "added", "findings/x.parquet"),
    Tampering("a table of quarantine is added", copy(Q, "quarantine/x.parquet"), "added", "quarantine/x.parquet"),
    Tampering("a tally is added", copy("tallies/long.jsonl.json", "tallies/x.jsonl.json"), "added", "tallies/x.jsonl.json"),
    Tampering("errors are added", add("errors/x.jsonl"), "added", "errors/x.jsonl"),
    Tampering("rows to drop are added", add("dropped/x.parquet"), "added", "dropped/x.parquet"),
    Tampering("a part is added", add("parts/long.jsonl/0.json"), "added", "parts/long.jsonl/0.json"),
    Tampering(
        "a value of a kept Parquet row",
        edit_table("kept/changed.parquet", lambda rows: _set(rows, 30, _with(rows[30], "text", "x")), 16),
        "changed",
        "kept/changed.parquet",
        30,
    ),
    Tampering(
        "a row of a kept Parquet file is gone",
        edit_table("kept/changed.parquet", lambda rows: _without(rows, 40), 16),
        "changed",
        "kept/changed.parquet",
        40,
    ),
    Tampering(
        "a value of a Parquet file that was copied",
        edit_table("kept/plain.parquet", lambda rows: _set(rows, 25, _with(rows[25], "text", "x")), 20),
        "changed",
        "kept/plain.parquet",
        25,
    ),
    Tampering("a finding is gone", edit_table(F, lambda rows: _without(rows, 0)), "changed", F, 0),
    Tampering("a finding is softened", edit_table(F, lambda rows: _set(rows, 0, _with(rows[0], "action", "keep"))), "changed", F, 0),
    Tampering("a table of findings is gone", remove(F), "missing", F),
    Tampering("a quarantined record is gone", edit_table(Q, lambda rows: _without(rows, 3)), "changed", Q, 3),
    Tampering(
        "bytes of a quarantined record are gone unlogged",
        edit_table(Q, lambda rows: [_with(row, "record", None) for row in rows]),
        "changed",
        Q,
        0,
    ),
    Tampering("a table of quarantine is gone", remove(Q), "missing", Q),
    Tampering("an error is gone", edit("errors/deep/a.jsonl.gz.jsonl", lambda data: b""), "changed", "errors/deep/a.jsonl.gz.jsonl"),
    Tampering("errors are gone", remove("errors"), "missing", "errors/deep/a.jsonl.gz.jsonl"),
    Tampering(
        "a tally counts less",
        edit_json("tallies/b.jsonl.zst.json", lambda t: t["tally"].update(records=1)),
        "changed",
        "tallies/b.jsonl.zst.json",
    ),
    Tampering("a tally is gone", remove("tallies/b.jsonl.zst.json"), "missing", "tallies/b.jsonl.zst.json"),
    Tampering("a tally is no JSON", edit("tallies/b.jsonl.zst.json", lambda data: data[:-9]), "changed", "tallies/b.jsonl.zst.json"),
    Tampering("the report counts less", edit_json("report.json", lambda r: r["tally"]["findings"].clear()), "changed", "report.json"),
    Tampering("the report is gone", remove("report.json"), "missing", "report.json"),
    Tampering("a metric", edit("metrics.prom", lambda data: data.replace(b"1.0", b"2.0")), "changed", "metrics.prom"),
    Tampering("the metrics are gone", remove("metrics.prom"), "missing", "metrics.prom"),
    Tampering("the manifest names somebody else", edit_json("manifest.json", lambda m: m.update(operator="x")), "changed", "manifest.json"),
    Tampering(
        "the manifest tells of a stricter config",
        edit_json("manifest.json", lambda m: m["config"]["policy"].update(mask_limits=[])),
        "changed",
        "manifest.json",
    ),
    Tampering(
        "the manifest tells of more rules", edit_json("manifest.json", lambda m: m["rules"].update(x="1")), "changed", "manifest.json"
    ),
    Tampering("the manifest tells of other packs", edit_json("manifest.json", lambda m: m["packs"].clear()), "changed", "manifest.json"),
    Tampering("the manifest tells of a model", edit_json("manifest.json", lambda m: m["models"].update(x="1")), "changed", "manifest.json"),
    Tampering(
        "the manifest tells of other code", edit_json("manifest.json", lambda m: m["code"].update(version="9")), "changed", "manifest.json"
    ),
    Tampering(
        "the manifest tells of a parent", edit_json("manifest.json", lambda m: m.update(parent={"run": "x"})), "changed", "manifest.json"
    ),
    Tampering(
        "the manifest ended later",
        edit_json("manifest.json", lambda m: m.update(ended="2099-01-01T00:00:00+00:00")),
        "changed",
        "manifest.json",
    ),
    Tampering(
        "the manifest forgets a failure", edit_json("manifest.json", lambda m: m.update(failed={"x": "y"})), "changed", "manifest.json"
    ),
    Tampering("the manifest is gone", remove("manifest.json"), "missing", "manifest.json"),
    Tampering("the manifest is cut off", edit("manifest.json", lambda data: data[:100]), "changed", "manifest.json"),
    Tampering("another run digest", edit_json(proof.NAME, lambda p: p.update(run="0" * 64)), "changed", proof.NAME),
    Tampering("another root", edit_json(proof.NAME, lambda p: p["leaves"].update(root="0" * 64)), "changed", proof.NAME),
    Tampering("fewer leaves", edit_json(proof.NAME, lambda p: p["leaves"].update(count=1)), "changed", proof.NAME),
    Tampering("another digest of a pack", edit_json(proof.NAME, lambda p: p.update(packs="0" * 64)), "changed", proof.NAME),
    Tampering("the proof is gone", remove(proof.NAME), "missing", proof.NAME),
    Tampering("the proof is cut off", edit(proof.NAME, lambda data: data[:50]), "changed", proof.NAME),
    Tampering("the leaves are gone", remove(proof.LEAVES), "missing", proof.LEAVES),
    Tampering("the leaves are cut off", edit(proof.LEAVES, lambda data: data[:-20]), "changed", proof.LEAVES),
    Tampering("a leaf is gone", edit_table(proof.LEAVES, lambda rows: _without(rows, 2)), "changed", proof.LEAVES),
    Tampering("a leaf is there twice", edit_table(proof.LEAVES, lambda rows: [*rows, rows[-1]]), "changed", proof.LEAVES),
    Tampering(
        "a leaf has another digest",
        edit_table(proof.LEAVES, lambda rows: _set(rows, 1, _with(rows[1], "sha256", "0" * 64))),
        "changed",
        proof.LEAVES,
    ),
    Tampering("a file is added to the proof", add("proof/x"), "added", "proof/x"),
    Tampering(
        "a kept line, and the whole proof made anew",
        forged(edit(ZST, lambda data: zstd.compress(b'{"text": "x"}\n'))),
        "untold",
        "tallies/b.jsonl.zst.json",
    ),
    Tampering(
        "a line of a released shard",
        edit_lines("release/0001/b.jsonl.zst", lambda lines: [b'{"text": "x"}', *lines[1:]]),
        "changed",
        "release/0001/b.jsonl.zst",
        0,
    ),
    Tampering("a released shard is gone", remove("release/0001/deep/a.jsonl.gz"), "missing", "release/0001/deep/a.jsonl.gz"),
    Tampering("a released shard is added", add("release/0002/b.jsonl.zst"), "added", "release/0002/b.jsonl.zst"),
    Tampering("a released shard holds what was kept", copy(ZST, "release/0001/b.jsonl.zst"), "swapped", "release/0001/b.jsonl.zst"),
    Tampering(
        "the list of released records grows",
        edit("review/allow.txt", lambda data: data + b"0" * 32 + b" pii/x\n"),
        "changed",
        "review/allow.txt",
    ),
    Tampering("the list of released records is gone", remove("review/allow.txt"), "missing", "review/allow.txt"),
    Tampering("a verdict is changed", sql("update events set verdict = 'release' where verdict = 'confirm'"), "changed", "verdicts.sqlite"),
    Tampering("a reviewer is changed", sql("update events set reviewer = 'x' where number = 1"), "changed", "verdicts.sqlite"),
    Tampering("a verdict is gone", sql("delete from events where number = 4"), "changed", "verdicts.sqlite"),
    Tampering(
        "a verdict is put in between",
        sql(
            "update events set number = number + 100 where number > 2",
            "insert into events select 3, shard, row, verdict, reviewer, at, why, probability, origin from events where number = 1",
        ),
        "changed",
        "verdicts.sqlite",
    ),
    Tampering(
        "a record is said to be released",
        sql(
            "insert into events select null, shard, row, 'released', reviewer, at, why, probability, origin from events "
            "where verdict = 'confirm'"
        ),
        "untold",
        "verdicts.sqlite",
    ),
    Tampering("that a record expired is gone", sql("delete from events where verdict = 'expired'"), "untold", "verdicts.sqlite"),
    Tampering("the log of verdicts is gone", remove("review/verdicts.sqlite"), "missing", "verdicts.sqlite"),
    Tampering(
        "an entry of the ledger names somebody else",
        edit_ledger(lambda entries: [_with(entries[0], "by", "x"), *entries[1:]]),
        "changed",
        "review/ledger.jsonl",
    ),
    Tampering("the first entry of the ledger is gone", edit_ledger(lambda entries: entries[1:]), "changed", "review/ledger.jsonl"),
    Tampering("the last entry of the ledger is gone", edit_ledger(lambda entries: entries[:-1]), "changed", "quarantine/"),
    Tampering("entries of the ledger trade places", edit_ledger(lambda entries: entries[::-1]), "changed", "review/ledger.jsonl"),
    Tampering("the ledger is gone", remove("review/ledger.jsonl"), "untold", "verdicts.sqlite"),
    Tampering(
        "the ledger is chained anew without a release",
        edit_ledger(lambda entries: [_with(entries[1], "number", 1)], chain=True),
        "added",
        "release/0001/b.jsonl.zst",
    ),
    Tampering(
        "the ledger forgets a record, chained anew",
        edit_ledger(lambda entries: [_with(entries[0], "rows", {}), *entries[1:]], chain=True),
        "untold",
        "verdicts.sqlite",
    ),
    Tampering("the ledger is no JSON", edit("review/ledger.jsonl", lambda data: data[20:]), "changed", "review/ledger.jsonl"),
    Tampering("an input has changed", lambda out: (out.parent / "in/long.jsonl").write_bytes(b"{}\n"), "changed", "in/long.jsonl"),
    Tampering("an input was appended to", lambda out: (out.parent / "in/b.jsonl.zst").write_bytes(b"x"), "changed", "in/b.jsonl.zst"),
]


def made_in(root: Path) -> Path:
    """A run in `root`, and a copy of all of it beside that, for the next tampering."""
    out = make(root / "run")
    shutil.copytree(root / "run", root / "pristine")
    return out


def tried(root: Path, tampering: Tampering) -> Verified:
    """What verify says of a run that was tampered with. It lies where it ran, as its inputs do."""
    shutil.rmtree(root / "run")
    shutil.copytree(root / "pristine", root / "run")
    tampering.does(root / "run/out")
    return verify(str(root / "run/out"))


def found(done: Verified, tampering: Tampering) -> bool:
    """Whether the problem is named, and the row where one is to be."""
    return any(
        problem.kind == tampering.kind
        and tampering.name in problem.name
        and (tampering.row is None or any(first <= tampering.row <= last for first, last in problem.rows))
        for problem in done.problems
    )


def main() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        clean = verify(str(made_in(root)))
        missed = [tampering.about for tampering in TAMPERINGS if not found(tried(root, tampering), tampering)]
        rows = sum(tampering.row is not None for tampering in TAMPERINGS)
        yield f"untouched: {len(clean.problems)} problems"
        yield f"tamperings tried: {len(TAMPERINGS)}, found and named: {len(TAMPERINGS) - len(missed)}, of these with the rows: {rows}"
        yield from (f"missed: {about}" for about in missed)


if __name__ == "__main__":
    for line in main():
        sys.stdout.write(f"{line}\n")
