"""How long a reviewer waits, with a million records in quarantine, and how long a report of ten thousand shards takes.

    python tests/bench/review.py [RECORDS] [SHARDS]

Builds such a quarantine from the examples of our own rules, opens `decontam quarantine serve` as a user would, asks what the page asks,
and prints seconds (median and worst of several). Then the same for a report. Nothing is left behind.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from decontam import tables
from decontam.config import load_config, rules_of
from decontam.tally import Tally
from decontam.types import Action, Finding, Span, Strength, Verdict

_SOURCES = ("web", "forum", "code", "books", "wiki", "news", "mail")
_TIMES = 5


def rows(records: int, shard: str, first: int, rng: random.Random, rules: list[Any], texts: list[str]) -> Iterator[dict[str, Any]]:
    """Quarantined records whose rules are as unevenly frequent as they are in life."""
    for row in range(records):
        text = rng.choice(texts)
        findings = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            rule = rules[min(int(rng.paretovariate(0.6)) - 1, len(rules) - 1)]
            at = rng.randrange(len(text) - 30)
            score = 1.0 if rng.random() < 0.7 else round(rng.random(), 3)
            strength = rng.choice((Strength.WEAK, Strength.STRONG, Strength.CONCLUSIVE))
            provider = rule.provider[0] if rule.provider else None
            findings.append(Finding("text", rule.stage, rule.id, rule.revision, rule.kind, Span(at, at + 24), strength, score, provider))
        record = orjson.dumps({"id": f"{first + row}", "text": text, "url": "http://example.org/"})
        verdict = Verdict(Action.QUARANTINE, tuple(findings))
        about = {"source": shard, "offset": row * 1000, "record": record, "exact": True, "format": "jsonl"}
        yield {**tables.findings_row(str(first + row), row * 3, verdict, [text], len(record)), **about}


def quarantine(out: Path, records: int, shards: int) -> int:
    """Fill OUT; the bytes of its tables. Ten tables are made, and each stands there ten times under other names."""
    rng = random.Random(7)
    rules = [rule for rule in rules_of(load_config()) if rule.stage != "secrets"]
    rng.shuffle(rules)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]
    texts = [" ".join(rng.choices(words, k=250)) for _ in range(500)]
    each = records // shards
    batches = (list(rows(each, "", number * each, rng, rules, texts)) for number in range(min(10, shards)))
    templates = [tables._table(batch, tables.quarantine_schema()) for batch in batches]
    size, names = 0, []
    for number in range(shards):
        shard = f"{_SOURCES[number % len(_SOURCES)]}/part-{number:05}.jsonl.zst"
        names.append(shard)
        table = templates[number % len(templates)]
        column = table.schema.get_field_index("source")
        path = out / f"quarantine/{shard}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        named = table.set_column(column, table.schema.field("source"), pa.array([shard] * each, pa.string()))
        pq.write_table(named, path, compression="zstd", row_group_size=5_000)
        size += path.stat().st_size
    manifest = {"began": "2026-01-01T00:00:00+00:00", "config": load_config().to_dict(), "shards": names}
    (out / "manifest.json").write_bytes(orjson.dumps(manifest))
    return size


@contextmanager
def page(out: Path) -> Iterator[tuple[Callable[..., Any], float]]:
    """What asks the page of a quarantine, and the seconds until the command said its address."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "decontam", "quarantine", "serve", str(out)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = server.stdout.readline().strip()
        said = time.perf_counter() - began
        base, token = re.match(r"(http://[^/]+)/\?token=(.+)", address).groups()
        cookie = f"decontam-{base.rpartition(':')[2]}={token}"
        urllib.request.urlopen(urllib.request.Request(address)).read()

        def ask(path: str, **query: Any) -> Any:
            url = f"{base}/api/{path}?{urllib.parse.urlencode(query)}"
            return json.loads(urllib.request.urlopen(urllib.request.Request(url, headers={"cookie": cookie})).read())

        yield ask, said
    finally:
        server.kill()
        server.wait()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def review(out: Path) -> None:
    with page(out) as (ask, said):
        first, told = timed(lambda: (ask("about"), ask("page", after=-1)))
        shown, _ = timed(lambda: ask("document", n=told[1]["rows"][0]["n"]))
        print(f"address printed after {said:.2f} s; first page (cold, index not built) {first:.2f} s, its first document {shown:.2f} s")
        built, counts = timed(lambda: ask("counts"))
        print(f"index of {counts['records']:,} records built {built:.1f} s later, in the background")
        facets = counts["facets"]
        filters = {
            "no filter": {},
            "largest stage": {"stage": facets["stage"][0][0]},
            "largest rule": {"rule": facets["rule"][0][0]},
            "a rare rule": {"rule": facets["rule"][-1][0]},
            "largest provider": {"provider": facets["provider"][0][0]},
            "a source": {"source": facets["source"][0][0]},
            "scores 0.2 to 0.9": {"least": 0.2, "most": 0.9},
            "not judged": {"verdict": "open"},
            "stage, source, score": {"stage": facets["stage"][0][0], "source": facets["source"][0][0], "least": 0.5},
            "provider, not judged": {"provider": facets["provider"][0][0], "verdict": "open"},
        }
        print(f"{'filter':24}{'list, median':>14}{'worst':>8}{'with counts, median':>22}{'worst':>8}{'records':>12}")
        worst = 0.0
        for name, query in filters.items():
            lists, whole, many = [], [], 0
            for _ in range(_TIMES):
                listed, _ = timed(lambda query=query: ask("page", after=-1, **query))
                counted, told = timed(lambda query=query: ask("counts", **query))
                lists.append(listed)
                whole.append(listed + counted)
                many = told["fit"]
            worst = max(worst, *whole)
            print(
                f"{name:24}{statistics.median(lists):13.2f}s{max(lists):7.2f}s{statistics.median(whole):21.2f}s{max(whole):7.2f}s{many:12,}"
            )
        rng = random.Random(1)
        numbers = [rng.randrange(counts["records"]) for _ in range(20)]
        documents = [timed(lambda n=n: ask("document", n=n))[0] for n in numbers]
        print(f"a document anywhere: median {statistics.median(documents):.2f} s, worst {max(documents):.2f} s")
        print(f"worst of all filters, list and counts: {worst:.2f} s")


def report(out: Path, shards: int) -> None:
    """A run of so many shards of twelve records, of which one in four has findings."""
    rng = random.Random(3)
    rules = list(rules_of(load_config()))
    names = [f"{_SOURCES[number % len(_SOURCES)]}/part-{number:05}.jsonl.zst" for number in range(shards)]
    for name in names:
        tally, found = Tally(), []
        for row in range(12):
            verdict = Verdict(Action.KEEP)
            if rng.random() < 0.25:
                rule = rng.choice(rules)
                finding = Finding("text", rule.stage, rule.id, rule.revision, rule.kind, Span(0, 9), Strength.STRONG, 1.0, None)
                verdict = Verdict(rng.choice((Action.TAG, Action.REDACT, Action.QUARANTINE)), (finding,))
                found.append(tables.findings_row(str(row), row, verdict, ["some words " * 20], 240))
            tally.add(verdict, 240)
        result = {"input": {"name": name}, "tally": tally.to_dict(), "seconds": {"total": 0.01, "pii": 0.001}, "problem": None}
        result |= {"unscreened": [], "reencoded": []}
        (out / "tallies" / name).parent.mkdir(parents=True, exist_ok=True)
        (out / f"tallies/{name}.json").write_bytes(orjson.dumps(result))
        if found:
            (out / "findings" / name).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(tables._table(found, tables.findings_schema()), out / f"findings/{name}.parquet")
    manifest = {"began": "2026-01-01T00:00:00+00:00", "state": "done", "config": load_config().to_dict(), "shards": names}
    (out / "manifest.json").write_bytes(orjson.dumps(manifest))
    seconds, _ = timed(lambda: subprocess.run([sys.executable, "-m", "decontam", "report", str(out)], check=True, capture_output=True))
    size = (out / "report.html").stat().st_size
    print(f"report of {shards:,} shards, {len(names) * 12:,} records: {seconds:.1f} s, {size / 1e3:,.0f} kB")


def main() -> None:
    records, shards = (int(given) for given in (sys.argv[1:] + ["1000000", "10000"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        seconds, size = timed(lambda: quarantine(Path(folder), records, min(100, records)))
        print(f"quarantine of {records:,} records: {size / 1e6:,.0f} MB in 100 tables (built in {seconds:.0f} s)")
        review(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder), shards)


if __name__ == "__main__":
    main()
