"""What forty terabytes cost: measures the constants here, multiplies, and prints the tables of pipelines/FORTY_TB.md.

    python tests/bench/forty_tb.py [--megabytes N] [--write]

`--write` puts the tables into the page. Speeds are CPU time, the better of two rounds, which a busy machine stretches all the same;
requests are counted between the code and a real S3 server. Takes two to five minutes.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import corpus
import orjson
import zstandard

from tests.stores import PASS, Store, serving

PAGE = Path(__file__).parents[2] / "pipelines/FORTY_TB.md"
KINDS = ("GET", "HEAD", "LIST", "PUT", "DELETE")
"""Requests as stores bill them: every step of an upload is a PUT."""


class Constant(NamedTuple):
    """Something that was measured here."""

    value: float
    unit: str
    how: str


class Given(NamedTuple):
    """What the reader may set otherwise: terabytes of JSON lines, megabytes of a zst shard, cores of the cluster and of a machine."""

    terabytes: float = 40
    shard: float = 200
    cores: int = 1000
    machine: int = 32


FORTY = Given()


# The model: constants in, figures out; no measuring.


def figures(of: Mapping[str, float], given: Given = FORTY) -> list[tuple[str, str, str]]:
    """What it costs, by the formula beside it: (what, figure, formula)."""
    megabytes = given.terabytes * 1e6
    shards = megabytes / of["zstd ratio"] / given.shard
    documents = megabytes * 1e6 / of["bytes of a document"]
    screening = megabytes / of["decontam run, zst to zst"] / 3600
    fixed = shards * of["each shard"] / 3600
    starts = given.cores * (of["start of a worker"] + of["first use of rules"]) / 3600
    total = screening + fixed + starts
    rows = [
        ("shards", f"{shards:,.0f}", "terabytes / zstd ratio / MB of a shard"),
        ("core-hours: screening", f"{screening:,.0f}", "terabytes / `decontam run, zst to zst`"),
        ("core-hours: all shards, beside their content", f"{fixed:,.2f}", "shards x `each shard`"),
        ("core-hours: starting every core once", f"{starts:,.1f}", "cores x (`start of a worker` + `first use of rules`)"),
        ("hours", f"{total / given.cores:,.1f}", f"core-hours / {given.cores:,} cores"),
        ("memory of a machine, GB", f"{given.machine * of['memory of a worker'] / 1e3:,.1f}", f"{given.machine} x `memory of a worker`"),
        ("index of 1 TB of known texts, GB on every machine's disk", f"{1e3 * of['index']:,.0f}", "1 TB x `index`"),
    ]
    for kind in KINDS:
        each = of[f"{kind}, each shard"] + given.shard / 100 * of[f"{kind}, 100 MB of a shard"]
        how = f"shards x (`{kind}, each shard` + {given.shard / 100:g} x `{kind}, 100 MB of a shard`)"
        rows.append((f"{kind} requests", f"{shards * each:,.0f}", how))
    rows.append(("files written", f"{shards * of['files of a shard']:,.0f}", "shards x `files of a shard`"))
    for name in ("findings", "quarantine", "proof and tallies"):
        size = documents * of[f"{name} of a document"] / 1e9
        rows.append((f"{name}, GB", f"{size:,.1f}", f"documents x `{name} of a document`"))
    return rows


def tables(constants: Mapping[str, Constant], given: Given = FORTY) -> str:
    """Both tables in Markdown."""
    shown = {name: f"{it.value:,.4g}" if it.value < 1000 else f"{it.value:,.0f}" for name, it in constants.items()}
    measured = [(name, shown[name], it.unit, it.how) for name, it in constants.items()]
    known = {name: float(value.replace(",", "")) for name, value in shown.items()}  # what a reader would multiply
    return "\n\n".join([_table(("constant", "measured", "unit", "how"), measured), _table(("what", "40 TB", "is"), figures(known, given))])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read(page: str) -> dict[str, Constant]:
    """The constants that a page shows."""
    first = page.partition(BEGIN)[2].strip().partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in first.splitlines()[2:]]
    return {name: Constant(float(value.replace(",", "")), unit, how) for name, value, unit, how in cells}


BEGIN, END = "<!-- python tests/bench/forty_tb.py --write -->", "<!-- end -->"


def put(page: str, content: str) -> str:
    """A page with other tables."""
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{content}\n{END}", page, flags=re.DOTALL)


# Measuring.

CALL = '{"id": "chatcmpl-g8c92plGp9nU6RaJOXahqIO57dwc0", "object": "chat.completion"}'
"""What is taken out, so that a shard has all its outputs."""


def line(record: Mapping[str, str]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def prose(megabytes: float) -> list[bytes]:
    """JSON lines of texts that people wrote, drawn from all labelled sets; of what the machine has where they are not there."""
    rows = corpus.shared_rows("synthetic/*.jsonl.zst")
    texts = [row["text"] for row in rows if row["label"] == "human" and len(row["text"]) < 20_000] or list(corpus.machine_texts())
    random.Random(7).shuffle(texts)
    lines, size = [], 0.0
    for number, text in enumerate(texts):
        lines.append(line({"id": f"doc-{number}", "text": text}))
        size += len(lines[-1])
        if size >= megabytes * 1e6:
            break
    return lines


def shards_of(lines: Sequence[bytes], folder: Path, number: int) -> Path:
    folder.mkdir(parents=True)
    for at in range(number):
        (folder / f"{at:05}.jsonl.zst").write_bytes(zstandard.ZstdCompressor(level=3).compress(b"".join(lines[at::number])))
    return folder


class Spent(NamedTuple):
    """CPU seconds of all processes, and seconds until they were done."""

    cpu: float
    wall: float


def ran(source: object, out: object, *options: str, **env: str) -> Spent:
    """What a `decontam run` takes. Of several the least counts: who else is on the machine only ever adds."""
    before, began = os.times(), time.monotonic()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | env
    command = [sys.executable, "-m", "decontam", "run", str(source), "--out", str(out), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    after = os.times()
    return Spent(after.children_user + after.children_system - before.children_user - before.children_system, time.monotonic() - began)


STAGE = """
import sys, time, orjson, re
from pathlib import Path
from decontam.config import chain_of, load_config
stages, index = sys.argv[2].split(","), sys.argv[3]
config = load_config(None, {"stages": {name: {"enabled": name in stages} for name in ("signatures", "secrets", "pii", "known", "synthetic")}
                            | ({"known": {"enabled": True, "options": {"indexes": [index]}}} if "known" in stages else {})})
chain = chain_of(config)
texts = [orjson.loads(line)["text"] for line in Path(sys.argv[1]).read_bytes().splitlines()]
spent = []
for _ in range(3):
    began = time.process_time()
    for text in texts:
        chain.screen_text(text)
    spent.append(time.process_time() - began)
print(min(spent[1:]), spent[0])
"""

MEMORY = """
import re, sys
from decontam.config import load_config
from decontam.inputs import discover
from decontam.run import Job, run
options = {"stages": {"known": {"options": {"indexes": [sys.argv[3]]}}}} if sys.argv[3] else {}
run(Job(config=load_config(None, options), shards=discover([sys.argv[1]])[0], out=sys.argv[2]))
status = open("/proc/self/status").read()
print(*(int(re.search(name + r":\\s+(\\d+) kB", status).group(1)) / 1000 for name in ("VmHWM", "RssFile")))
"""


def printed(program: str, *arguments: object) -> list[float]:
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True)
    return [float(word) for word in done.stdout.split()]


def built(texts: Path, index: Path) -> Path:
    """An index of known texts."""
    command = [sys.executable, "-m", "decontam", "index", "build", str(texts), "-o", str(index), "--no-key", "--field", "answer=text"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return index


def speeds(lines: Sequence[bytes], others: Sequence[bytes], folder: Path) -> dict[str, Constant]:
    """Megabytes of JSON lines for each CPU second, stage by stage and together."""
    size = sum(map(len, lines)) / 1e6
    (folder / "prose.jsonl").write_bytes(b"".join(lines))
    (folder / "others.jsonl").write_bytes(b"".join(others))
    index = built(folder / "others.jsonl", folder / "known.idx")
    found = {}
    for name in ("signatures", "secrets", "pii", "synthetic"):
        seconds, _ = printed(STAGE, folder / "prose.jsonl", name, "")
        found[f"{name} alone"] = Constant(size / seconds, "MB/s", f"over {size:.0f} MB of texts in memory, the second time")
    seconds, _ = printed(STAGE, folder / "prose.jsonl", "known", index)
    found["known alone"] = Constant(size / seconds, "MB/s", "the same, with an index of other texts")
    seconds, first = printed(STAGE, folder / "prose.jsonl", "signatures,secrets,pii,synthetic", "")
    found["the chain"] = Constant(size / seconds, "MB/s", "the four stages that are on, together")
    how = f"of a worker, the first time over {size:.0f} MB: a rule compiles where a text first needs it"
    found["first use of rules"] = Constant(max(first - seconds, 0.0), "CPU seconds", how)
    found["index"] = Constant(index.stat().st_size / sum(map(len, others)), "bytes for each byte of text", "that index")
    return found


def runs(lines: Sequence[bytes], folder: Path) -> dict[str, Constant]:
    """The whole run: its slope over bytes, over shards, and where they meet zero; its memory; what it writes."""
    size, documents = sum(map(len, lines)) / 1e6, len(lines)
    few = shards_of(lines, folder / "few", 4)
    double = shards_of([*lines, *lines], folder / "double", 8)
    # Of more than 128 kB, below which shards are published together; most of it in a column that nobody reads.
    short = [line({"text": CALL, "blob": os.urandom(150_000).hex()}) for _ in range(300)]
    tiny, tinier = shards_of(short, folder / "tiny", 300), shards_of(short[:1], folder / "one", 1)
    ran(few, folder / "warm", "--workers", "1")
    once, twice, many, one = (
        min(ran(source, folder / f"{source.name}-{n}", "--workers", "1") for n in range(2)) for source in (few, double, tiny, tinier)
    )
    speed = size / (twice.cpu - once.cpu)
    packed = sum(path.stat().st_size for path in few.iterdir()) / 1e6
    shard = min(few.iterdir())
    most, _ = printed(MEMORY, shard, folder / "o5", "")
    with_index, mapped = printed(MEMORY, shard, folder / "o6", folder / "known.idx")
    out = folder / "few-0"

    def wrote(*names: str) -> float:
        return sum(path.stat().st_size for name in names for path in (out / name).rglob("*") if path.is_file()) / documents

    return {
        "decontam run, zst to zst": Constant(speed, "MB/s", f"{size:.0f} MB twice less once, so that every rule was used before"),
        "start of a worker": Constant(one.cpu, "CPU seconds", f"a run of one record; it takes {one.wall:.1f} s"),
        "each shard": Constant(max(many.cpu - one.cpu, 0.0) / 299, "CPU seconds", "300 shards of one record, which is taken out, less one"),
        "memory of a worker": Constant(most, "MB", f"at most, over a shard of {size / 4:.0f} MB"),
        "the same with an index": Constant(with_index, "MB", f"of which {mapped:.0f} MB are mapped files, which workers share"),
        "zstd ratio": Constant(size / packed, "", "bytes of JSON lines for each byte of a shard"),
        "bytes of a document": Constant(size * 1e6 / documents, "bytes", "of JSON lines"),
        "findings of a document": Constant(wrote("findings"), "bytes", "on average over all documents"),
        "quarantine of a document": Constant(wrote("quarantine"), "bytes", "the same"),
        "proof and tallies of a document": Constant(wrote("proof", "tallies"), "bytes", "the same"),
        "files of a shard": Constant(len(list(out.rglob("00000.jsonl.zst*"))), "files", "kept, findings, quarantine, tally"),
    }


def kind_of(method: str, path: str) -> str:
    """As what a store bills a request."""
    if method == "GET" and "list-type" in path:
        return "LIST"
    return "PUT" if method == "POST" and "?delete" not in path else "DELETE" if method == "POST" else method


def requests_of(store: Store, shards: Mapping[str, bytes], *options: str) -> Counter[str]:
    """The requests of one run from the store to the store."""
    store.reset()
    for name, content in shards.items():
        store.put(f"data/{name}", content)
    counted: Counter[str] = Counter()

    def count(method: str, path: str) -> str:
        counted[kind_of(method, path)] += 1
        return PASS

    store.rule = count
    settings = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1", "FSSPEC_S3_ENDPOINT_URL": store.url}
    ran("s3://bucket/data", "s3://bucket/out", "--workers", "1", *options, **settings)
    return counted


def large(megabytes: int) -> bytes:
    """A shard of that size that takes no time to screen: its bytes are in a column that nobody reads."""
    return b"".join([line({"text": CALL}), *[line({"text": "Plain words.", "blob": "x" * 999_900})] * megabytes])


def requests(store: Store) -> dict[str, Constant]:
    """Requests of each shard in which something is found, and of each 100 MB of it: differences between runs."""
    small = line({"text": CALL}) + line({"text": "Plain words."})
    two = requests_of(store, {f"{n}.jsonl": small for n in range(2)})
    six = requests_of(store, {f"{n}.jsonl": small for n in range(6)})
    shards = {"0.jsonl": small, "1.jsonl": large(200)}
    big, listed = requests_of(store, shards), requests_of(store, shards, "--kept", "none")
    found = {}
    for kind in KINDS:
        found[f"{kind}, each shard"] = Constant((six[kind] - two[kind]) / 4, "requests", "a run of six small shards less one of two")
    for kind in KINDS:
        found[f"{kind}, 100 MB of a shard"] = Constant((big[kind] - two[kind]) / 2, "requests", "a shard of 200 MB less a small one")
    found["PUT, 100 MB of a shard, --kept none"] = Constant(
        (listed["PUT"] - two["PUT"]) / 2, "requests", "the same, rows to drop in place of a copy"
    )
    return found


def measured(megabytes: float) -> dict[str, Constant]:
    """Every constant."""
    with tempfile.TemporaryDirectory() as name:
        folder, lines = Path(name), prose(1.25 * megabytes)
        lines, others = lines[: len(lines) * 4 // 5], lines[len(lines) * 4 // 5 :]
        found = {**speeds(lines, others, folder), **runs(lines, folder)}
        with serving(folder / "moto.log") as store:
            return found | requests(store)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=float, default=24)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    content = tables(measured(given.megabytes))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}\n\n{content}")
    if given.write:
        PAGE.write_text(put(PAGE.read_text("utf-8"), content), "utf-8")


if __name__ == "__main__":
    main()
