"""The door of Beam: the verdicts of a run in every runner that loses nothing; types, windows and honest counts."""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from apache_beam.coders.typecoders import registry
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import TaggedOutput
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue
from apache_beam.yaml.yaml_transform import YamlTransform
from hypothesis import given
from hypothesis import strategies as st

from decontam.adapters.beam import NAMESPACE, Decontaminate, Decontaminated, _Screen
from decontam.adapters.beam_rows import Errored, Found, Line, Quarantined
from decontam.adapters.beam_shards import ReadShards, WriteShards
from decontam.config import load_config
from decontam.documents import Documents
from decontam.errors import InputError, ShardError

from .conftest import COMPRESS, run_over, shard
from .test_run import API, BAD, HUMAN, KEY, MAIL, SECRET, lines_of

ROOT = Path(__file__).parents[1]
MASKED = "write to <EMAIL>, please"
CONFIG = load_config()


class Turn(NamedTuple):
    role: str
    content: str


class Page(NamedTuple):
    id: str
    text: str
    tags: Sequence[str]
    score: float


for row in (Turn, Page):
    registry.register_coder(row, beam.coders.RowCoder)


def in_memory(**options: Any) -> beam.Pipeline:
    return beam.Pipeline(runner=FnApiRunner(**options))


def counters(pipeline: beam.Pipeline) -> dict[str, int]:
    found = pipeline.result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    return {counter.key.metric.name: counter.committed for counter in found}


def expect(collection: beam.PCollection, values: Iterable[object]) -> None:
    assert_that(collection, equal_to(list(values)), label=f"expect {collection.producer.full_label} {collection.tag}")


def bare(element: Any) -> Any:
    """Rows come out of a coder in a class of its own."""
    return element._asdict() if hasattr(element, "_asdict") else element


def of_tally(tally: dict) -> dict[str, int]:
    """The tally of a run under the names of our counters."""
    named = {"records": tally["records"], "bytes": tally["bytes"]}
    return named | {f"{group}/{name}": n for group, counts in tally.items() if isinstance(counts, dict) for name, n in counts.items()}


@pytest.mark.parametrize(
    ("documents", "kept"),
    [
        ([HUMAN["text"], MAIL["text"], API["text"]], [HUMAN["text"], MASKED]),
        ([HUMAN, MAIL, API], [HUMAN, MAIL | {"text": MASKED}]),
        ([json.dumps(MAIL).encode(), json.dumps(API).encode()], [json.dumps(MAIL | {"text": MASKED}).encode()]),
        ([beam.Row(**MAIL), beam.Row(**API)], [beam.Row(**MAIL | {"text": MASKED})]),
        ([Page("m", MAIL["text"], ["a"], 0.5), Page("x", API["text"], [], 1.0)], [Page("m", MASKED, ["a"], 0.5)]),
    ],
    ids=["texts", "objects", "lines", "rows", "named tuples"],
)
def test_what_is_kept_has_the_type_that_came_in(documents: list, kept: list) -> None:
    with in_memory() as pipeline:
        source = pipeline | beam.Create(documents)
        outputs = source | Decontaminate()
        shuffled = outputs.kept | beam.Reshuffle()  # there everything goes through its coder

        assert source.element_type == outputs.kept.element_type
        expect(shuffled | beam.Map(bare), [bare(element) for element in kept])


def test_outputs_have_names_places_and_schemas() -> None:
    with in_memory() as pipeline:
        outputs = pipeline | beam.Create([HUMAN]) | Decontaminate()

        assert isinstance(outputs, Decontaminated)
        assert ["kept", "quarantined", "findings", "errors"] == list(outputs._fields)
        assert [Quarantined, Found, Errored] == [collection.element_type for collection in outputs[1:]]
        assert all(isinstance(registry.get_coder(collection.element_type), beam.coders.RowCoder) for collection in outputs[1:])


def test_texts_inside_rows_inside_rows_are_screened_and_given_back() -> None:
    with in_memory() as pipeline:
        rows = [beam.Row(messages=[Turn("user", "hi"), Turn("assistant", MAIL["text"])], n=1)]
        outputs = pipeline | beam.Create(rows) | Decontaminate("chat")
        turns = outputs.kept | beam.Map(lambda row: ([tuple(turn) for turn in row.messages], row.n))

        expect(turns, [([("user", "hi"), ("assistant", MASKED)], 1)])


def test_findings_hold_no_text_and_quarantine_the_document_as_it_was() -> None:
    with in_memory() as pipeline:
        outputs = pipeline | beam.Create([API, SECRET]) | Decontaminate(source="crawl")
        said = outputs.quarantined | beam.Map(lambda row: (row.id, row.source, row.action, row.reason, json.loads(row.document), row.exact))
        rules = outputs.quarantined | beam.Map(lambda row: [finding["rule"] for finding in json.loads(row.evidence)["findings"]])
        found = outputs.findings | beam.Map(lambda row: (row.id, row.outcome, row.rule, KEY in str(row)))

        expect(said, [("api", "crawl", "quarantine", "signatures_api_id", API, True)])
        expect(rules, [["openai.chat-completion-id"]])
        expect(found, [("api", "quarantined", "openai.chat-completion-id", False), ("secret", "redacted", "aws.access-key-id", False)])


@pytest.mark.parametrize(
    ("option", "held"), [({"secrets": "drop"}, f"{API['text']} and <SECRET>"), ({"original": "drop"}, None)], ids=["masked", "nothing"]
)
def test_quarantine_keeps_what_the_config_allows(option: dict, held: str | None) -> None:
    with in_memory() as pipeline:
        documents = pipeline | beam.Create([f"{API['text']} and {KEY}"])
        outputs = documents | Decontaminate(overrides={"quarantine": option})

        expect(outputs.quarantined | beam.Map(lambda row: (row.document and json.loads(row.document), row.exact)), [(held, False)])


def test_a_dropped_document_leaves_its_findings_alone() -> None:
    rows = [{"rule": "signatures/*", "action": "drop"}]
    with in_memory() as pipeline:
        outputs = pipeline | beam.Create([API]) | Decontaminate(overrides={"policy": {"actions": rows}})

        expect(outputs.findings | beam.Map(lambda row: row.outcome), ["dropped"])
        expect(outputs.kept, [])
        expect(outputs.quarantined, [])


HOLDS_ITSELF: list = []
HOLDS_ITSELF.append(HOLDS_ITSELF)
ODD = [
    ({"text": None}, "not_text", '{"text":null}'),
    ({"other": Decimal("1.5")}, "missing_text", '{"other":"1.5"}'),
    (7, "not_object", "7"),
    (None, "not_object", "null"),
    (b"{no json", "malformed", "{no json"),
    (b'{"text": "\xff"}', "bad_utf8", None),
    ({"text": 1, "lone": "\ud800"}, "not_text", '{"text": 1, "lone": "\\ud800"}'),
    ({"text": 1, "deep": HOLDS_ITSELF}, "not_text", "null"),
    (beam.Row(text="x", deep=HOLDS_ITSELF), "malformed", "null"),
    (HOLDS_ITSELF, "malformed", "null"),
]


def test_what_cannot_be_screened_goes_to_errors_and_nothing_raises() -> None:
    screen = _Screen(Documents(CONFIG.to_dict()), "")
    screen.setup()
    screen.start_bundle()
    for document, reason, raw in ODD:
        (output,) = screen.process(document)

        assert (TaggedOutput, "errors") == (type(output), output.tag)
        assert (reason, raw) == (output.value.reason, output.value.raw)
        assert (raw is None) == (output.value.raw_base64 is not None)
        registry.get_coder(Errored).encode(output.value)


value = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary() | st.decimals() | st.dates(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.builds(lambda text, more: beam.Row(text=text, more=more), st.text(), inner)
    ),
)


@given(value)
def test_every_document_comes_out_once_whatever_it_is(document: object) -> None:
    screen = _Screen(Documents(CONFIG.to_dict()), "")
    screen.setup()
    screen.start_bundle()
    outputs = list(screen.process(document))
    tags = [output.tag if isinstance(output, TaggedOutput) else "kept" for output in outputs]

    assert 1 == len([tag for tag in tags if tag != "findings"])
    assert tags[0] != "kept" or document is outputs[0] or screen._tally.outcomes["redacted"]


def test_ids_are_nobody_elses_where_documents_have_none() -> None:
    with in_memory() as pipeline:
        outputs = pipeline | beam.Create([MAIL["text"]] * 50) | beam.Reshuffle() | Decontaminate()
        ids = outputs.findings | beam.Map(lambda row: row.id) | beam.combiners.ToList()

        assert_that(ids, lambda lists: None if 50 == len(set(lists[0])) else pytest.fail(str(lists)))


def test_an_empty_collection_is_fine(tmp_path: Path) -> None:
    with in_memory() as pipeline:
        outputs = pipeline | beam.Create([]) | Decontaminate()
        outputs.kept | WriteShards(str(tmp_path / "kept"))
        for name, collection in outputs._asdict().items():
            assert_that(collection, equal_to([]), label=name)

    assert [[b""]] == [lines_of(path) for path in (tmp_path / "kept").iterdir()]


def test_a_huge_document_is_screened_or_refused_like_any_other() -> None:
    def huge(size: int) -> list[Any]:
        text = "Plain words, over and over. " * (size // 28) + MAIL["text"]
        return [text, json.dumps({"text": text}).encode()]

    with in_memory() as pipeline:
        documents = pipeline | beam.Create([20_000_000]) | beam.FlatMap(huge)
        outputs = documents | Decontaminate(overrides={"input": {"max_record_bytes": 1_000_000}})

        expect(outputs.kept | beam.Map(lambda text: text[-len(MASKED) :]), [MASKED])
        expect(outputs.errors | beam.Map(lambda row: (row.reason, len(row.raw) > 19_000_000)), [("too_large", True)])


def test_windows_and_times_stay() -> None:
    with in_memory() as pipeline:
        timed = pipeline | beam.Create([(HUMAN, 5), (MAIL, 70), (API, 130)]) | beam.MapTuple(TimestampedValue)
        outputs = timed | beam.WindowInto(FixedWindows(60)) | Decontaminate()
        for collection, expected in (
            (outputs.kept, [(0, 5), (60, 70)]),
            (outputs.quarantined, [(120, 130)]),
            (outputs.findings, [(60, 70), (120, 130)]),
        ):
            when = collection | f"When {collection.tag}" >> beam.Map(
                lambda _, window=beam.DoFn.WindowParam, time=beam.DoFn.TimestampParam: (int(window.start), int(time))
            )
            expect(when | f"Global {collection.tag}" >> beam.WindowInto(beam.window.GlobalWindows()), expected)


def test_a_stream_is_screened_as_it_comes() -> None:
    stream = test_stream.TestStream()
    for minute, documents in enumerate([[HUMAN, MAIL], [API, {"text": 5}]]):
        stream = stream.advance_watermark_to(60 * minute).add_elements(documents)
    stream = stream.advance_watermark_to_infinity()
    with beam.Pipeline(options=PipelineOptions(["--runner=BundleBasedDirectRunner", "--streaming"])) as pipeline:
        outputs = pipeline | stream | beam.WindowInto(FixedWindows(60)) | Decontaminate()
        for name, expected in (("kept", [(0, 2)]), ("quarantined", [(1, 1)]), ("errors", [(1, 1)]), ("findings", [(0, 1), (1, 1)])):
            counts = outputs._asdict()[name] | f"Count {name}" >> beam.combiners.Count.Globally().without_defaults()
            numbered = counts | f"Number {name}" >> beam.Map(lambda n, window=beam.DoFn.WindowParam: (int(window.start) // 60, n))
            assert_that(numbered | f"Global {name}" >> beam.WindowInto(beam.window.GlobalWindows()), equal_to(expected), label=name)


def test_rows_go_through_parquet_and_come_back(tmp_path: Path) -> None:
    with in_memory() as pipeline:
        outputs = pipeline | beam.Create([beam.Row(**row) for row in (HUMAN, MAIL, API)]) | Decontaminate()
        for name, collection in outputs._asdict().items():
            collection | name >> beam.io.WriteToParquet(str(tmp_path / name), file_name_suffix=".parquet")
    tables = {name: pq.read_table(next(tmp_path.glob(f"{name}-*"))) for name in Decontaminated._fields}

    assert {"h", "mail"} == set(tables["kept"].column("id").to_pylist())
    assert [API] == [json.loads(document) for document in tables["quarantined"].column("document").to_pylist()]
    assert pa.float64() == tables["findings"].schema.field("score").type
    assert list(Errored._fields) == tables["errors"].schema.names


def test_the_transform_travels_without_what_is_compiled() -> None:
    there = pickle.dumps(_Screen(Documents(CONFIG.to_dict()), "x"))

    assert len(there) < 20_000
    assert pickle.loads(there)._documents == Documents(CONFIG.to_dict())


ZOO = [
    HUMAN,
    MAIL,
    API,
    SECRET,
    *BAD,
    b"",
    b'{"text": "a", "text": "%s"}' % MAIL["text"].encode(),
    b'{"n": NaN, "text": "%s"}' % KEY.encode(),
]


def through_beam(folder: Path, out: Path, pipeline: beam.Pipeline) -> beam.Pipeline:
    with pipeline:
        outputs = pipeline | ReadShards(str(folder)) | Decontaminate()
        outputs.kept | "Kept" >> WriteShards(str(out / "kept"))
        outputs.errors | "Errors" >> WriteShards(str(out / "errors"))
        outputs.quarantined | "Quarantined" >> WriteShards(str(out / "quarantine"))
    return pipeline


def written(folder: Path) -> list[bytes]:
    return sorted(line for path in folder.glob("part-*") for line in lines_of(path) if line)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--direct_running_mode=in_memory"], id="in memory"),
        pytest.param(["--direct_running_mode=multi_processing", "--direct_num_workers=2"], id="processes", marks=pytest.mark.slow),
        pytest.param(["--direct_runner_bundle_repeat=2"], id="every bundle three times"),
    ],
)
def test_shards_become_what_a_run_makes_of_them(options: list[str], tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        for number, codec in enumerate(COMPRESS):
            shard(folder / f"{number}.jsonl{codec}", ZOO)

    out = tmp_path / "beam"
    with run_over(write, load_config(overrides={"input": {"max_error_rate": 1}})) as (report, files):
        source = files.parent / "in"
        pipeline = through_beam(source, out, beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *options])))
        kept = sorted(line for path in (files / "kept").iterdir() for line in lines_of(path) if line)
        errors = [json.loads(line) for path in (files / "errors").iterdir() for line in lines_of(path) if line]

    assert kept == written(out / "kept")
    assert sorted((row["source"], row["reason"], row.get("raw", "")) for row in errors) == sorted(
        (row["source"], row["reason"], row["raw"] or "") for row in map(json.loads, written(out / "errors"))
    )
    assert of_tally(report["tally"]) == counters(pipeline)
    assert [API] * 4 == [json.loads(json.loads(line)["document"]) for line in written(out / "quarantine")]


def test_a_line_is_a_line_in_another_process(tmp_path: Path) -> None:
    line = Line("a.jsonl", 7, b'{"text": "x"}', 13)
    coder = registry.get_coder(Line)
    (tmp_path / "line").write_bytes(pickle.dumps((coder, coder.encode(line))))
    program = (
        "import pickle, sys; coder, data = pickle.load(open(sys.argv[1], 'rb')); line = coder.decode(data);"
        "from decontam.adapters.beam_rows import Line; print(type(line) is Line, line.row)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "line")], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "True 7\n" == done.stdout


def test_parquet_rows_become_lines(tmp_path: Path) -> None:
    table = pa.table({"id": ["a", "b"], "text": [HUMAN["text"], MAIL["text"]], "raw": [b"\xff", b"x"], "n": [1, None]})
    pq.write_table(table, tmp_path / "a.parquet")
    with in_memory() as pipeline:
        outputs = pipeline | ReadShards(str(tmp_path)) | Decontaminate()
        rows = outputs.kept | beam.Map(lambda line: (line.source, line.row, json.loads(line.line)))

        expect(
            rows,
            [
                ("a.parquet", 0, {"id": "a", "text": HUMAN["text"], "raw": "/w==", "n": 1}),
                ("a.parquet", 1, {"id": "b", "text": MASKED, "raw": "eA==", "n": None}),
            ],
        )


def test_a_line_without_an_id_is_called_by_its_place(tmp_path: Path) -> None:
    shard(tmp_path / "a.jsonl", [b"", {"text": MAIL["text"]}, b'{"text": "%s"}' % (b"x" * 3000)])
    small = load_config(overrides={"input": {"max_record_bytes": 2000}})
    with in_memory() as pipeline:
        outputs = pipeline | ReadShards(str(tmp_path), small) | Decontaminate(small)

        expect(outputs.findings | beam.Map(lambda row: (row.id, row.source)), [("a.jsonl:1", "a.jsonl")])
        expect(outputs.errors | beam.Map(lambda row: (row.id, row.reason, row.raw)), [("a.jsonl:2", "too_large", "")])


def test_a_broken_shard_fails_the_pipeline_by_name_and_leaves_nothing(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"text": "line %d of many"}\n' % number for number in range(5000)))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ShardError, match=r"cut\.jsonl\.gz: truncated"):
        through_beam(tmp_path / "in", tmp_path / "out", in_memory())
    assert [] == list((tmp_path / "out").rglob("part-*"))


def test_no_shards_is_said_when_the_pipeline_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        ReadShards(str(tmp_path / "none"))


def test_shards_have_the_names_that_were_asked_for(tmp_path: Path) -> None:
    with in_memory() as pipeline:
        mixed = pipeline | beam.Create(["a text", {"id": 1, "text": "b"}, b'{\n"text": "c"}', beam.Row(text="d")])
        mixed | WriteShards(str(tmp_path), shards=2)

    assert ["part-00000-of-00002.jsonl.zst", "part-00001-of-00002.jsonl.zst"] == sorted(path.name for path in tmp_path.iterdir())
    assert [b'{ "text": "c"}', b'{"id":1,"text":"b"}', b'{"text":"a text"}', b'{"text":"d"}'] == written(tmp_path)


TRIES: list[int] = []


class FailsOnce(_Screen):
    """Its first bundle fails behind its last document; this runner tries again with a new one."""

    def finish_bundle(self) -> None:
        TRIES.append(self._tally.records)
        if len(TRIES) == 1:
            raise OSError
        super().finish_bundle()


def test_a_bundle_that_failed_once_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    TRIES.clear()
    monkeypatch.setattr("decontam.adapters.beam._Screen", FailsOnce)
    with beam.Pipeline(runner="BundleBasedDirectRunner") as pipeline:
        outputs = pipeline | beam.Create([HUMAN, MAIL, API]) | Decontaminate()

        expect(outputs.kept | beam.Map(lambda document: document["id"]), ["h", "mail"])
        expect(outputs.findings | beam.Map(lambda row: row.id), ["mail", "api"])

    assert [3, 3] == TRIES
    assert 3 == counters(pipeline)["records"]
    assert 1 == counters(pipeline)["findings/pii/email.address"]


PROVIDER = yaml.safe_load((ROOT / "decontam/adapters/beam_provider.yaml").read_text("utf-8"))
ROWS = [{"id": row["id"], "text": row["text"]} for row in (HUMAN, MAIL, API)]


def yaml_transform(kind: str, transforms: list[dict], **more: Any) -> YamlTransform:
    create = {"type": "Create", "config": {"elements": ROWS}}
    return YamlTransform(yaml.safe_dump({"type": kind, "transforms": [create, *transforms], **more}), providers=_providers())


def test_beam_yaml_knows_it_with_error_handling() -> None:
    screen = {"type": "Decontaminate", "input": "Create", "config": {"error_handling": {"output": "bad"}}}
    outputs = {"good": "Decontaminate.kept", "bad": "Decontaminate.bad", "out": "Decontaminate.quarantined"}
    with in_memory() as pipeline:
        made = pipeline | yaml_transform("composite", [screen], output=outputs)

        expect(made["good"] | "Good" >> beam.Map(lambda row: (row.id, row.text)), [("h", HUMAN["text"]), ("mail", MASKED)])
        expect(made["out"] | "Out" >> beam.Map(lambda row: row.id), ["api"])
        expect(made["bad"], [])


def test_beam_yaml_knows_it_in_a_chain_and_with_options() -> None:
    screen = {"type": "Decontaminate", "config": {"outputs": ["kept"], "overrides": {"input": {"text_key": "id"}}}}
    with in_memory() as pipeline:
        made = pipeline | yaml_transform("chain", [screen])

        expect(made | beam.Map(lambda row: row.id), ["api", "h", "mail"])


def _providers() -> list:
    from apache_beam.yaml.yaml_provider import parse_providers

    return parse_providers("", PROVIDER)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "pipelines").glob("beam*")), ids=lambda path: path.name)
def test_the_pipelines_run_and_are_short(path: Path, tmp_path: Path) -> None:
    source = shard(tmp_path / "rows.jsonl", [HUMAN, MAIL, API])
    known = {
        "beam_batch.py": [str(path), "--input", str(source), "--out", f"{tmp_path}/out", "--runner=FnApiRunner"],
        "beam_sites.py": [str(path), "--input", str(source), "--out", f"{tmp_path}/out", "--runner=FnApiRunner"],
        "beam_streaming.py": [str(path), "--runner=BundleBasedDirectRunner"],
        "beam.yaml": ["-m", "apache_beam.yaml.main", f"--yaml_pipeline_file={path}", "--runner=FnApiRunner",
                      "--jinja_variables", json.dumps({"input": str(source), "out": f"{tmp_path}/out"})],
    }  # fmt: skip
    done = subprocess.run([sys.executable, *known[path.name]], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    assert len(path.read_text("utf-8").splitlines()) <= 60
    if path.name == "beam_streaming.py":
        assert {"('kept', 0, 2)", "('kept', 1, 1)", "('errors', 1, 1)"} == set(done.stdout.splitlines())
    else:
        kept = b"".join(b"\n".join(lines_of(found)) for found in tmp_path.glob("out/kept*/**/*") if found.is_file()) or b"".join(
            found.read_bytes() for found in tmp_path.glob("out/kept*")
        )

        assert b"<EMAIL>" in kept
        assert b"chatcmpl-" not in kept
