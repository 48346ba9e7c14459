"""Known texts: what is found again and what is found wrongly, how fast that is at a million and at a hundred million fingerprints.

    python tests/bench/known.py quality [PASSAGES]
    python tests/bench/known.py speed [FINGERPRINTS]

The logs are the texts of models in ../shared/data/synthetic from sources that hold nothing else; what people wrote in all other
sources is divided by the digest of its id: a quarter is the background, the rest is tried. `DECONTAM_DATA` names another place.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from rates import wilson

from decontam import assembling, indexes, indexing, planting, shingles, tokens
from decontam.config import load_config
from decontam.passages import Passages
from decontam.shingles import Array, mix_of
from decontam.stages.known import Known
from decontam.types import Reference, Strength
from decontam.view import View

SYNTHETIC = Path(os.environ.get("DECONTAM_DATA") or corpus.SHARED) / "synthetic"
THRESHOLDS = load_config().stages["known"].options["thresholds"]
LENGTHS = (20, 50, 100, 200)
GOALS = {  # of passages of 50 words and more
    "verbatim": 1.0, "verbatim, alone": 1.0, "re-wrapped": 1.0, "10 % masked": 0.99, "10 % replaced": 0.99, "20 % masked": 0.95,
    "20 % replaced": 0.95, "names and numbers swapped": 0.9, "first half": 0.95, "second half": 0.95,
}  # fmt: skip


def rows(source: str, label: str) -> Iterator[dict[str, str]]:
    corpus.SHARED = SYNTHETIC.parent
    return (row for row in corpus.shared_rows(f"synthetic/{source}.jsonl.zst") if row["label"] == label)


def sources() -> tuple[list[str], list[str]]:
    """Sources of models alone, and all that hold human texts."""
    logs, people = [], []
    for path in sorted(SYNTHETIC.glob("*.jsonl.zst")):
        name = path.name.removesuffix(".jsonl.zst")
        (people if next(rows(name, "human"), None) else logs).append(name)
    return logs, people


def references(source: str) -> Iterator[Reference]:
    for row in rows(source, "llm"):
        yield Reference(row["id"], row["text"], source, provider=None, model=row.get("generator"))


def is_background(row: dict[str, str]) -> bool:
    return hashlib.sha256(row["id"].encode()).digest()[0] < 64


def built(path: Path, logs: list[str], background: Iterator[str] | None) -> None:
    started = time.process_time()
    about = indexing.build(str(path), logs, references, mix_of(None), background)
    seconds = time.process_time() - started
    counts, size = about["counts"], about["notes"]["bytes"] / 1e6
    print(
        f"index: {counts['texts']:,} texts of {len(logs)} sources, {size:,.0f} MB, {counts['fingerprints']:,} fingerprints, "
        f"{counts['dropped']:,} common; {path.stat().st_size / 1e6:,.0f} MB; {size / seconds:.1f} MB/s, reading and background too"
    )


def stage_of(path: Path) -> Passages:
    stage = Known.load({"indexes": [str(path)], "thresholds": THRESHOLDS}, None)
    assert stage is not None
    return stage


def quality(passages: int) -> None:
    logs, people = sources()
    humans = [row for name in people for row in rows(name, "human")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "logs.idx")
        built(path, logs, (row["text"] for row in humans if is_background(row)))
        stage = stage_of(path)
        tried = [row for row in humans if not is_background(row)]
        wrong(stage, humans, tried)
        hosts = planting.drawn((row["text"] for row in tried), 2000, 7)
        for title, fits in (("spaced scripts", lambda text: not _is_cjk(text)), ("Chinese and Japanese", _is_cjk)):
            given = (reference for name in logs for reference in references(name) if fits(reference.text))
            drawn = planting.drawn(given, 6 * passages, 7)
            print(f"\n{title}: share of passages found, taken out; of those found, with the right text")
            for row in planting.measured(stage, planting.planted(drawn, hosts, LENGTHS, passages, 7)):
                goal = GOALS.get(row.change) if row.words >= 50 else None
                missed = "  below the goal" if goal is not None and row.found < goal * row.passages else ""
                print(f"  {row.change:<28} {row.words:>4} words  {wilson(row.found, row.passages)}  {row.out / row.passages:6.1%}"
                      f"  {row.right / max(1, row.found):6.1%}{missed}")  # fmt: skip


def _is_cjk(text: str) -> bool:
    head = text[:2000]
    return sum("\u3040" <= c <= "\u9fff" for c in head) > 0.5 * sum(c.isalpha() for c in head)


def wrong(stage: Passages, humans: list[dict[str, str]], tried: list[dict[str, str]]) -> None:
    """What is found in texts that people wrote, in all of them and in those that the index has not seen as background."""
    for title, given in (("all, the background too", humans), ("those that are no background", tried)):
        findings = [(row, max(found, key=lambda each: (each.strength, each.detail["rare_words"]))) for row in given
                    if (found := stage.inspect(View.of(row["text"])))]  # fmt: skip
        out = [each for each in findings if each[1].strength == Strength.CONCLUSIVE]
        print(f"human texts, {title}: {len(given):,}; {len(findings)} with a finding, {len(out)} taken out, {wilson(len(out), len(given))}")
    for row, best in sorted(findings, key=lambda each: -each[1].detail["rare_words"]):
        said = " ".join(row["text"][slice(*best.span)].split())[:90]
        strength, count = best.strength.name.lower(), best.detail["rare_words"]
        print(f"    {row['id']:<28} {strength:<11} {count:>4} words  {best.detail['id']:<28} {said}")


def padded(path: Path, out: Path, fingerprints: int) -> None:
    """The index with random fingerprints beside its own, up to so many: as large, and with no more to find."""
    index = indexes.opened(str(path))
    draw = np.random.default_rng(7)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        work = assembling.Work(Path(folder), 1 << 30)
        about = index.about
        work.origins.append(assembling.Origin(index["rows"], index["tags"], index["about"], about["sources"], about["labels"]))
        work.runs.append(assembling.Run(index["hashes"], index["places"], None, 0))
        left = fingerprints - about["counts"]["fingerprints"]
        while left > 0:
            size = min(left, 10_000_000)
            hashes = np.sort(draw.integers(0, 1 << 64, size, np.uint64))
            places = draw.integers(0, len(index["rows"]), size, np.uint64) << np.uint64(16)
            work.runs.append(assembling.Run(work.spilled(hashes), work.spilled(places), None, 0))
            left -= size
        assembling.assembled(work, [np.ones(len(index["rows"]), bool)], str(out), index.key)


def _once(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def speed(fingerprints: int) -> None:
    """The stage and its parts at two sizes, and datatrove's formatter, in turns."""
    from datatrove.pipeline.formatters.pii import PIIFormatter

    logs, people = sources()
    folder = Path(os.environ.get("DECONTAM_BENCH") or tempfile.mkdtemp())
    small, large, own = (folder / f"{name}.idx" for name in ("small", "large", "own"))
    everything = [reference for name in logs for reference in references(name)]
    if not own.exists():
        for path, step in ((own, 1), (small, 10)):
            indexing.build(str(path), ["logs"], lambda _, step=step: everything[::step], mix_of(None))  # type: ignore[misc]
        started = time.process_time()
        padded(small, large, fingerprints)
        print(f"{fingerprints:,} fingerprints assembled in {time.process_time() - started:.0f} CPU s")
    texts = planting.drawn((row["text"] for name in people for row in rows(name, "human")), 6000, 7)
    size = sum(len(text.encode()) for text in texts) / 1e6
    counts = {path: indexes.opened(str(path)).about["counts"]["fingerprints"] for path in (small, large, own)}
    stages = {f"{count:,} fingerprints": stage_of(path) for path, count in counts.items()}
    formatter = PIIFormatter()

    def screened(stage: Passages) -> Callable[[], object]:
        return lambda: [stage.inspect(View.of(text)) for text in texts]

    cases: dict[str, Callable[[], object]] = {
        "tokens alone": lambda: [tokens.of(View.of(text)) for text in texts],
        **{f"stage, {name}": screened(stage) for name, stage in stages.items()},
        "datatrove PIIFormatter": lambda: [formatter.format(text) for text in texts[:600]],
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        _once(case)
    for _ in range(5):
        for name, case in cases.items():
            seconds[name].append(_once(case))
    part = sum(len(text.encode()) for text in texts[:600]) / 1e6
    rates = {name: (part if "datatrove" in name else size) / statistics.median(taken) for name, taken in seconds.items()}
    for name, rate in rates.items():
        print(f"{name:<32} {rate:8.1f} MB/s of CPU time")
    first, last, _ = (rates[f"stage, {name}"] for name in stages)
    peer = rates["datatrove PIIFormatter"]
    alone = 1 / (1 / last - 1 / rates["tokens alone"])  # where another stage has read the tokens
    print(f"stage / PIIFormatter, at the largest: {last / peer:.1f}; the stage without tokens: {alone / peer:.1f}")
    print(f"cost of a text, largest / smallest: {first / last:.2f}")
    hashes: list[Array] = [shingles.shingles(shingles.units(tokens.of(View.of(text))), mix_of(None))[0] for text in texts]
    print(f"look-ups: {sum(map(len, hashes)) / size:,.0f} a MB")
    given = everything[::8]
    of_logs = sum(len(reference.text.encode()) for reference in given) / 1e6
    taken = _once(lambda: indexing.build(str(folder / "built.idx"), ["logs"], lambda _: given, mix_of(None)))
    print(f"build: {of_logs / taken:.1f} MB/s of CPU time, texts in memory")
    started = time.perf_counter()
    indexes.opened(str(large))
    print(f"opened in {1e3 * (time.perf_counter() - started):.1f} ms: {json.dumps(indexes.described(str(large))[0]['counts'])}")


if __name__ == "__main__":
    what, number = sys.argv[1], int(float(sys.argv[2])) if len(sys.argv) > 2 else 0
    if what == "quality":
        quality(number or 200)
    else:
        speed(number or 100_000_000)
