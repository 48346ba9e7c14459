"""One corpus through every door: the same verdicts, spans, counts and kept records."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import decontam
from decontam.config import Config, load_config, rules_of
from decontam.documents import count_in
from decontam.evidence import finding_row
from decontam.files import Source
from decontam.inputs import discover
from decontam.prove import example
from decontam.run import Job, run
from decontam.tally import COUNTERS as ALL_COUNTERS
from decontam.tally import Tally

from .test_run import API, BAD, BOTH, HUMAN, MAIL, SECRET

Finding = tuple[str, str, str, int, int, str]

# How many bytes a record has depends on the form in which a door gets it.
COUNTERS = [name for name in ALL_COUNTERS if name not in {"sizes", "lengths"}]


class Told(NamedTuple):
    """What a door says: the documents that go on by id, the findings by id, the counts."""

    kept: dict[str, Any]
    found: dict[str, list[Finding]]
    counts: dict[str, dict[str, int]]


def _kinds() -> Iterator[dict[str, Any]]:
    """A document for each kind of finding, from the first example of the first rule that gives it."""
    seen = set()
    for rule in rules_of(load_config()):
        if (rule.stage, rule.kind) not in seen:
            seen.add((rule.stage, rule.kind))
            text, _ = example(rule.catches[0], rule.id)
            yield {"id": f"{rule.stage}.{rule.kind}", "text": f"{HUMAN['text']}\n{text}\n{HUMAN['text']}"}


ODD = ["", " ", "\x00", "é\u0301", "\u200bchatcmpl-\u200b", "😀" * 50, "a" * 5000, "\u2028", MAIL["text"] * 20, "x\r\ny", '{"text": "in"}']
TEXTS = [
    *({**record, "id": f"{record['id']}-1"} for record in (HUMAN, API, MAIL, SECRET, BOTH)),
    *_kinds(),
    *({"id": f"odd-{number}", "text": text} for number, text in enumerate(ODD)),
]
_TURNS = [
    [("user", HUMAN), ("assistant", MAIL)],
    [("assistant", API)],
    [("user", SECRET), ("assistant", HUMAN), ("user", BOTH)],
    [("user", HUMAN)],
]
CHATS = [
    {"id": f"chat-{number}", "messages": [{"role": role, "content": record["text"]} for role, record in turns]}
    for number, turns in enumerate(_TURNS)
]
CORPORA = {"default": TEXTS, "chat": CHATS}


def finding_of(row: dict[str, Any]) -> Finding:
    return row["field"], row["stage"], row["rule"], row["start"], row["end"], row["strength"]


def counts_of(tally: Tally) -> dict[str, dict[str, int]]:
    return {name: dict(sorted(getattr(tally, name).items())) for name in COUNTERS}


def lines_of(path: Path) -> list[dict[str, Any]]:
    with Source(str(path)) as source:
        return [json.loads(line) for line in b"".join(iter(source.read, b"")).splitlines() if line.strip()]


def _run(path: Path, config: Config, out: Path, workers: int) -> tuple[dict[str, list[Finding]], dict[str, dict[str, int]]]:
    report = run(Job(config=config, shards=discover([str(path)])[0], out=str(out), workers=workers))
    rows = [row for table in sorted((out / "findings").rglob("*.parquet")) for row in pq.read_table(table).to_pylist()]
    found = {row["id"]: sorted(finding_of(finding) for finding in row["findings"]) for row in rows}
    return found, {name: report["tally"][name] for name in COUNTERS}


def cli_lines(documents: list[dict], name: str, folder: Path) -> Told:
    """Two shards, two workers."""
    (folder / "in").mkdir()
    for number in range(2):
        lines = [json.dumps(document) for document in documents[number::2]]
        (folder / f"in/{number}.jsonl").write_text("\n".join(lines) + "\n")
    found, counts = _run(folder / "in", load_config(name), folder / "out", 2)
    kept = {row["id"]: row for path in sorted((folder / "out/kept").iterdir()) for row in lines_of(path)}
    return Told(kept, found, counts)


def cli_rows(documents: list[dict], name: str, folder: Path) -> Told:
    pq.write_table(pa.Table.from_pylist(documents), folder / "a.parquet", row_group_size=16)
    found, counts = _run(folder / "a.parquet", load_config(name), folder / "out", 0)
    return Told({row["id"]: row for row in pq.read_table(folder / "out/kept/a.parquet").to_pylist()}, found, counts)


def cli_parts(documents: list[dict], name: str, folder: Path) -> Told:
    (folder / "a.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    config = load_config(name, {"output": {"checkpoint_bytes": 300}})
    found, counts = _run(folder / "a.jsonl", config, folder / "out", 0)
    return Told({row["id"]: row for row in lines_of(folder / "out/kept/a.jsonl")}, found, counts)


def any_iterable(documents: list[dict], name: str, folder: Path) -> Told:
    kept, found, tally = {}, {}, Tally()
    for screened in decontam.load(name).screen_all(iter(documents)):
        count_in(tally, screened, 0)
        if screened.document is not None:
            kept[screened.id] = screened.document
        if screened.verdict and screened.verdict.findings:
            found[screened.id] = sorted(finding_of(finding_row(finding)) for finding in screened.verdict.findings)
    return Told(kept, found, counts_of(tally))


def _written(documents: list[dict], folder: Path) -> Path:
    (folder / "in").mkdir()
    (folder / "in/a.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    return folder / "in"


def _in_datatrove(folder: Path, config: str | Config, out: Path) -> tuple[list[Any], Tally]:
    """What comes out at the end of reader, step and writer, two ranks one after the other; and the books."""
    from decontam.adapters.datatrove import Decontam, DecontamReader, books

    steps = DecontamReader(str(folder), config=config, errors=str(out / "e")), Decontam(config, quarantine=str(out / "q"))
    kept = [document for rank in range(2) for document in steps[1].run(steps[0].run(rank=rank, world_size=2), rank, 2)]
    return kept, books(str(out / "q"))


def datatrove(documents: list[dict], name: str, folder: Path) -> Told:
    kept, tally = _in_datatrove(_written(documents, folder), name, folder)
    found = {
        row["id"]: sorted(finding_of(finding) for finding in row["findings"])
        for table in (folder / "q").rglob("*.parquet")
        for row in pq.read_table(table).to_pylist()
    }
    rows = {}
    for document in kept:
        evidence = json.loads(document.metadata.pop("decontam")["findings"])
        if evidence:
            found[document.id] = sorted(map(finding_of, evidence))
        row = {"id": document.id, **document.metadata, **({} if name == "chat" else {"text": document.text})}
        rows[document.id] = {key: value for key, value in row.items() if key != "file_path"}
    return Told(rows, found, counts_of(tally))


def _in_beam(
    source: Callable, config: str | Config, folder: Path, **options: Any
) -> tuple[dict[str, list[Any]], dict[str, dict[str, int]]]:
    """What each output holds, and the counters."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from decontam.adapters.beam import Decontaminate

    runner = "DirectRunner" if options else FnApiRunner()
    pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(**options))
    outputs = source(pipeline) | Decontaminate(config)
    for name, output in outputs._asdict().items():
        text = output | f"{name} as text" >> beam.Map(lambda element: base64.b64encode(pickle.dumps(element)).decode())
        text | name >> beam.io.WriteToText(str(folder / name))
    result = pipeline.run()
    result.wait_until_finish()
    counts: dict[str, dict[str, int]] = {name: {} for name in COUNTERS}
    for counter in result.metrics().query(beam.metrics.MetricsFilter().with_namespace("decontam"))["counters"]:
        group, slash, label = counter.key.metric.name.partition("/")
        if slash and group in counts:
            counts[group][label] = counter.committed
    said = {name: [_unpickled(line) for path in folder.glob(f"{name}-*") for line in path.read_text().split()] for name in outputs._fields}
    return said, {name: dict(sorted(numbers.items())) for name, numbers in counts.items()}


def _unpickled(line: str) -> Any:
    return pickle.loads(base64.b64decode(line))


def _beam(documents: list[dict], name: str, folder: Path, **options: Any) -> Told:
    from decontam.adapters.beam_shards import ReadShards

    path = _written(documents, folder)
    outputs, counts = _in_beam(lambda pipeline: pipeline | ReadShards(str(path), name), name, folder, **options)
    found: dict[str, list[Finding]] = {}
    for row in outputs["findings"]:
        found.setdefault(row.id, []).append(finding_of(row._asdict()))
    kept = {row["id"]: row for row in (json.loads(line.line) for line in outputs["kept"])}
    return Told(kept, {id: sorted(findings) for id, findings in found.items()}, counts)


def beam_in_memory(documents: list[dict], name: str, folder: Path) -> Told:
    return _beam(documents, name, folder)


def beam_in_processes(documents: list[dict], name: str, folder: Path) -> Told:
    return _beam(documents, name, folder, direct_running_mode="multi_processing", direct_num_workers=2)


DOORS: list[Callable[[list[dict], str, Path], Told]] = [
    cli_rows,
    cli_parts,
    any_iterable,
    datatrove,
    beam_in_memory,
    beam_in_processes,
]


@pytest.fixture(scope="module", params=CORPORA)
def agreed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Told]:
    """The name of a config, and what the command line says under it."""
    return request.param, cli_lines(CORPORA[request.param], request.param, tmp_path_factory.mktemp("agreed"))


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_door_says_the_same(door: Callable[[list[dict], str, Path], Told], agreed: tuple[str, Told], tmp_path: Path) -> None:
    name, expected = agreed
    said = door(CORPORA[name], name, tmp_path)

    assert expected.found == said.found
    assert expected.counts == said.counts
    assert expected.kept == said.kept


@pytest.fixture(scope="module")
def surrogates(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Told]:
    """A config with a key in a file, and what the command line says under it."""
    root = tmp_path_factory.mktemp("surrogates")
    (root / "key").write_text("an invented key, and a long one")
    (root / "c.yaml").write_text("policy: {redaction: surrogate, key: {file: key}}")
    (root / "lines").mkdir()
    return str(root / "c.yaml"), cli_lines(TEXTS[:40], str(root / "c.yaml"), root / "lines")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_door_makes_the_same_surrogates(door: Callable[..., Told], surrogates: tuple[str, Told], tmp_path: Path) -> None:
    name, expected = surrogates

    assert "@example." in str(expected.kept)
    assert expected == door(TEXTS[:40], name, tmp_path)


def test_the_corpus_has_every_kind_and_every_outcome() -> None:
    tally = Tally()
    for screened in decontam.load().screen_all(TEXTS):
        count_in(tally, screened, 0)

    assert {"kept", "tagged", "redacted", "quarantined"} <= tally.outcomes.keys()
    assert len(tally.kinds) >= 0.9 * len({(rule.stage, rule.kind) for rule in rules_of(load_config())})


def raw_lines(folder: Path) -> Path:
    """What only a reader of shards gets to see."""
    good = [json.dumps(document).encode() for document in (HUMAN, API, MAIL)]
    path = folder / "raw.jsonl"
    path.write_bytes(
        b"\n".join([good[0], *BAD, b"", good[1], b'\xef\xbb\xbf{"text": "bom"}', b'{"text": "x", "n": NaN}', b"\x00", good[2]])
    )
    return path


RAW = {"kept": 3, "redacted": 1, "quarantined": 1, "errored": 7}
"""What becomes of the lines of `raw_lines` through every door that reads shards."""


def test_the_command_line_reads_what_there_is_to_read(tmp_path: Path) -> None:
    config = load_config(None, {"input": {"max_error_rate": 1.0}})
    _, counts = _run(raw_lines(tmp_path), config, tmp_path / "out", 0)

    assert RAW == counts["outcomes"]


def test_datatrove_reads_what_there_is_to_read(tmp_path: Path) -> None:
    raw_lines(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "raw.jsonl").rename(tmp_path / "in/raw.jsonl")
    _, tally = _in_datatrove(tmp_path / "in", load_config(None, {"input": {"max_error_rate": 1.0}}), tmp_path)
    errors = [line for path in (tmp_path / "e").rglob("*.jsonl") for line in path.read_text().splitlines()]

    assert RAW == {**tally.outcomes, "errored": tally.outcomes["errored"] + len(errors)}


def test_beam_reads_what_there_is_to_read(tmp_path: Path) -> None:
    from decontam.adapters.beam_shards import ReadShards

    path = raw_lines(tmp_path)
    outputs, counts = _in_beam(lambda pipeline: pipeline | ReadShards(str(path)), "default", tmp_path)

    assert RAW == counts["outcomes"]
    assert RAW["errored"] == len(outputs["errors"])
