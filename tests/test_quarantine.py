"""What was taken out can be found, sampled, shown, handed out and judged; what is covered stays so; strangers get no answer."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import json
import math
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from decontam.cli import cli
from decontam.config import load_config
from decontam.errors import InputError
from decontam.quarantine import dump as dumps
from decontam.quarantine.imports import read, take
from decontam.quarantine.index import Filter, Index
from decontam.quarantine.page import shown
from decontam.quarantine.records import COVER, Records, segments
from decontam.quarantine.review import Review
from decontam.quarantine.sample import everything, sample, shares
from decontam.quarantine.server import app_of, listening
from decontam.quarantine.verdicts import Event, Verdicts
from decontam.queries import source_of
from decontam.types import Span

from .conftest import shard
from .test_review_page import ORDINARY, TOKEN, finding, quarantined
from .test_run import API, BOTH, CHAT_ID, HUMAN, KEY


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return quarantined(tmp_path / "out", ORDINARY)


@pytest.fixture
def index(out: Path) -> Index:
    return Index(str(out)).build()


def records_of(index: Index) -> Records:
    return Records(index.folder, index.manifest)


def shown_all(index: Index, **options: Any) -> list[Any]:
    records = records_of(index)
    return [records.read(spot.shard, spot.position, **options) for spot in index.spots(range(index.count))]


# ---- finding


def test_records_are_numbered_by_shard_and_row(index: Index) -> None:
    rows = index.page(Filter(), limit=1000)

    assert list(range(233)) == [row["n"] for row in rows]
    assert [("a.jsonl", n) for n in range(3)] + [("web/b.jsonl", n) for n in range(230)] == [(row["shard"], row["row"]) for row in rows]
    assert [row | {"rules": sorted(row["rules"])} for row in rows[:20]] == [
        row | {"rules": sorted(row["rules"])} for row in index.first(20)
    ]


WANTED = st.builds(
    Filter,
    stage=st.sampled_from([None, "pii", "signatures", "none"]),
    rule=st.sampled_from([None, "signatures/self.x", "pii/email.x"]),
    provider=st.sampled_from([None, "openai"]),
    source=st.sampled_from([None, "a", "web"]),
    verdict=st.sampled_from([None, "open", "confirm", "unsure"]),
    least=st.sampled_from([None, 0.3, 0.5]),
    most=st.sampled_from([None, 0.5, 1.0]),
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Index:
    index = Index(str(quarantined(tmp_path_factory.mktemp("judged") / "out", ORDINARY))).build()
    index.said({("a.jsonl", 1): Event("a.jsonl", 1, "confirm", "ada"), ("web/b.jsonl", 7): Event("web/b.jsonl", 7, "unsure", "ada")})
    return index


def fits(wanted: Filter, shard: str, row: int, found: list[Any]) -> bool:
    verdict = {("a.jsonl", 1): "confirm", ("web/b.jsonl", 7): "unsure"}.get((shard, row), "open")
    return (
        wanted.source in {None, source_of(shard)}
        and wanted.verdict in {None, verdict}
        and any(
            wanted.stage in {None, each.stage}
            and wanted.rule in {None, each.name}
            and wanted.provider in {None, each.provider}
            and (wanted.least is None or each.score >= wanted.least)
            and (wanted.most is None or each.score <= wanted.most)
            for each in found
        )
    )


@given(WANTED, st.integers(-1, 200), st.integers(1, 50))
def test_a_filter_finds_what_looking_at_each_record_finds(judged: Index, wanted: Filter, after: int, limit: int) -> None:
    every = [(name, row, found) for name, records in ORDINARY.items() for row, (_, found) in enumerate(records)]
    expected = [number for number, each in enumerate(every) if fits(wanted, *each)]

    assert [n for n in expected if n > after][:limit] == [row["n"] for row in judged.page(wanted, after, limit)]
    assert [n for n in expected if n < after][-limit:] == [row["n"] for row in judged.page(wanted, limit=limit, before=after)]
    assert len(expected) == judged.counted(wanted)


@given(WANTED)
def test_a_facet_counts_what_choosing_its_value_would_find(judged: Index, wanted: Filter) -> None:
    for dimension, values in judged.facets(wanted).items():
        for value, many in values:
            assert many == judged.counted(Filter(**{**wanted.__dict__, dimension: value})), (dimension, value)


def test_an_empty_quarantine_is_an_empty_index(tmp_path: Path) -> None:
    index = Index(str(quarantined(tmp_path / "out", {}))).build()

    assert (0, [], [], 0) == (index.count, index.page(Filter()), index.first(10), index.counted(Filter(stage="pii")))
    assert [] == sample(index, 10)


def test_tables_of_an_earlier_version_are_read(out: Path) -> None:
    path = out / "quarantine/a.jsonl.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["size", "text_bytes", "language"]), path)
    (out / "quarantine/web/b.jsonl.parquet").unlink()
    index = Index(str(out)).build()

    assert [None] * 3 == [row["size"] for row in index.page(Filter())]


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="manifest.json; name the --out"):
        Index(str(tmp_path))


# ---- showing


def test_every_line_is_shown_with_its_spans(screen_files: Callable, tmp_path: Path) -> None:
    config = load_config(overrides={"quarantine": {"secrets": "keep"}})
    screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN, API, BOTH]), config=config)
    one, both = shown_all(Index(str(tmp_path / "out")).build(), covered=False)

    assert CHAT_ID in {one.texts[0].text[slice(*each.span)] for each in one.findings}
    assert KEY in {both.texts[0].text[slice(*each.span)] for each in both.findings}


def test_spans_are_right_where_credentials_were_taken_out_before(screen_files: Callable, tmp_path: Path) -> None:
    record = {"id": "x", "text": f"{KEY} then {API['text']} then {KEY} {API['text']}"}
    config = load_config(overrides={"quarantine": {"secrets": "drop"}})
    screen_files(shard(tmp_path / "in/a.jsonl", [record]), config=config)
    (held,) = shown_all(Index(str(tmp_path / "out")).build())
    (before,) = pq.read_table(tmp_path / "out/findings/a.jsonl.parquet")["findings"].to_pylist()
    values = [
        (record["text"][each["start"] : each["end"]], held.texts[0].text[slice(*now.span)])
        for each, now in zip(before, held.findings, strict=True)
    ]

    assert not held.exact
    assert KEY not in held.texts[0].text
    assert CHAT_ID in {now for _, now in values}
    assert [] == [(value, now) for value, now in values if KEY not in value and value != now]
    assert {"<SECRET>"} == {now for value, now in values if value == KEY}


def test_rows_of_parquet_are_shown_by_their_columns(screen_files: Callable, tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": [API["text"]],
            "n": pa.array([7], pa.int8()),
            "when": pa.array([10**18], pa.timestamp("ns")),
            "tags": pa.array([[("k", "v")]], pa.map_(pa.string(), pa.string())),
            "raw": pa.array([b"\xff\x00"], pa.binary()),
        }
    )
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in/a.parquet")
    screen_files(tmp_path / "in/a.parquet")
    (held,) = shown_all(Index(str(tmp_path / "out")).build())
    told = {text.path: text.text for text in held.texts}

    assert API["text"] == told["text"]
    assert ("7", '[{"key": "k", "value": "v"}]', "2 bytes") == (told["n"], told["tags"], told["raw"])
    assert told["when"].startswith("2001-09-09")


def test_credentials_are_covered_wherever_they_stand(tmp_path: Path) -> None:
    text = f"key = {KEY} and again {KEY}"
    record = {"id": "x", "text": text, "note": f"see {KEY}", "deep": {"a": [KEY]}, "quoted": json.dumps({"k": KEY})}
    out = quarantined(tmp_path / "out", {"a.jsonl": [(record, [finding("secrets", "aws.x", 6, 26)])]})
    (held,) = shown_all(Index(str(out)).build())
    told = {part.path: part.text for part in held.texts}

    assert 1 == held.hidden
    assert f"key = {COVER * 20} and again {COVER * 20}" == told["text"]
    assert not [path for path, content in told.items() if KEY in content]


def test_a_credential_that_cannot_be_placed_covers_everything(tmp_path: Path) -> None:
    found = [finding("secrets", "aws.x", 6, 26, field="messages[0].content")]
    out = quarantined(tmp_path / "out", {"a.jsonl": [({"id": "x", "text": f"key = {KEY}"}, found)]})
    (held,) = shown_all(Index(str(out)).build())

    assert () == held.texts
    assert "cannot be covered" in held.problem


def test_a_run_that_kept_no_originals_says_so(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [API]), config=load_config(overrides={"quarantine": {"original": "drop"}}))
    (held,) = shown_all(Index(str(tmp_path / "out")).build())

    assert ((), True) == (held.texts, "kept no originals" in held.problem)
    assert held.findings


@given(
    st.text(max_size=40), st.lists(st.tuples(st.integers(0, 45), st.integers(0, 45)), max_size=6), st.integers(0, 40), st.integers(0, 45)
)
def test_segments_are_the_text_and_each_knows_what_covers_it(text: str, spans: list[tuple[int, int]], start: int, end: int) -> None:
    marks = [(number, Span(*span)) for number, span in enumerate(spans)]
    pieces = segments(text, marks, start, end)
    at = start
    for piece, found in pieces:
        for offset in range(at, at + len(piece)):
            assert {number for number, span in marks if span.start <= offset < span.end} == set(found)
        at += len(piece)

    assert text[start:end] == "".join(piece for piece, _ in pieces)


@given(st.text())
def test_text_as_html_has_no_markup_of_its_own(text: str) -> None:
    plain = shown(text)

    assert not set(plain.replace("<i>", "").replace("</i>", "")) & set("<>\"'\x00\u202e")


# ---- sampling


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(1, 60), min_size=1), st.integers(1, 200))
def test_shares_are_even_as_far_as_sizes_allow(sizes: dict[str, int], most: int) -> None:
    given = shares(sizes, most)

    assert min(most, sum(sizes.values())) == sum(given.values())
    assert all(0 <= given[name] <= size for name, size in sizes.items())
    short = [many for name, many in given.items() if many < sizes[name]]
    assert not short or max(given.values()) - min(short) <= 1 or max(short) - min(short) <= 1


def test_a_sample_is_the_same_for_the_same_seed_and_says_its_probabilities(index: Index) -> None:
    drawn = sample(index, 12, "rule", seed=3)

    assert drawn == sample(index, 12, "rule", seed=3) != sample(index, 12, "rule", seed=4)
    strata = Counter(each.stratum for each in drawn)
    assert 12 == sum(strata.values())
    for name, size in index.strata("rule").items():
        assert all(math.isclose(strata[name] / size, each.probability) for each in drawn if each.stratum == name)


def test_each_record_is_drawn_as_often_as_its_probability_says(index: Index) -> None:
    """230 records, of which 23 are drawn 200 times: each about 20 times."""
    times = Counter(each.number for seed in range(200) for each in sample(index, 25, "source", seed) if each.stratum == "web")

    expected = 200 * next(each.probability for each in sample(index, 25, "source") if each.stratum == "web")
    assert 230 == len(times)
    chi = sum((many - expected) ** 2 / expected for many in times.values())
    assert chi < 229 + 4 * math.sqrt(2 * 229)


@pytest.mark.parametrize("by", ["stage", "provider", "source", "rule"])
def test_strata_hold_each_record_once(index: Index, by: str) -> None:
    assert index.count == sum(index.strata(by).values())
    assert index.count == len(sample(index, 10_000, by))


# ---- out and back


def dumped(index: Index, form: str, drawn: list[Any]) -> Any:
    return dumps.FOLDERS[form](dumps.entries(index, records_of(index), drawn))


def test_no_format_holds_a_credential(index: Index, out: Path, tmp_path: Path) -> None:
    for form in ("html", "jsonl", "csv", "argilla", "label-studio"):
        done = CliRunner().invoke(cli, ["quarantine", "dump", str(out), "--format", form, "--to", str(tmp_path / f"d-{form}")])
        assert 0 == done.exit_code, done.output
        files = [path for path in [tmp_path / f"d-{form}", *(tmp_path / f"d-{form}").rglob("*")] if path.is_file()]

        assert files
        assert not [path for path in files if KEY.encode() in path.read_bytes()]
        assert all(0o600 == path.stat().st_mode & 0o777 for path in files)


def test_nothing_is_written_over(out: Path, tmp_path: Path) -> None:
    (tmp_path / "d").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        CliRunner().invoke(cli, ["quarantine", "dump", str(out), "--to", str(tmp_path / "d")], catch_exceptions=False)

    assert "mine" == (tmp_path / "d").read_text()


def table_in(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


@pytest.mark.parametrize("bad", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(tmp_path: Path, bad: str) -> None:
    out = quarantined(tmp_path / "out", {"=a.jsonl": [({"id": bad, "text": f"{bad} As an AI"}, [finding("signatures", "self.x", 0, 4)])]})
    index = Index(str(out)).build()
    with (tmp_path / "d.csv").open("wb") as file:
        dumps.into(dumps.table, dumps.entries(index, records_of(index), everything(index)), file)
    (row,) = table_in(tmp_path / "d.csv")

    assert ("'=a.jsonl", f"'{bad}", f"'{bad} As an AI") == (row["shard"], row["id"], row["text"])


SAID = {("a.jsonl", 0): "confirm", ("a.jsonl", 1): "release", ("web/b.jsonl", 2): "unsure"}


def _filled_jsonl(index: Index, folder: Path) -> Path:
    with (folder / "d.jsonl").open("wb") as file:
        dumps.into(dumps.jsonl, dumps.entries(index, records_of(index), everything(index)), file)
    rows = [json.loads(line) for line in (folder / "d.jsonl").read_text("utf-8").splitlines()]
    for row in rows:
        row["verdict"], row["why"] = SAID.get((row["shard"], row["row"]), ""), "because"
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return folder / "d.jsonl"


def _filled_csv(index: Index, folder: Path) -> Path:
    with (folder / "d.csv").open("wb") as file:
        dumps.into(dumps.table, dumps.entries(index, records_of(index), everything(index)), file)
    rows = table_in(folder / "d.csv")
    with (folder / "d.csv").open("w", encoding="utf-8-sig", newline="") as file:  # as a spreadsheet saves it
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        for row in rows:
            verdict = SAID.get((row["shard"], int(row["row"])), "").capitalize()
            writer.writerow({**row, "verdict": verdict, "why": "because"})
    return folder / "d.csv"


def _exported_argilla(index: Index, folder: Path) -> Path:
    records = dumped(index, "argilla", everything(index))["records.json"]
    for record in records:
        verdict = SAID.get((record["metadata"]["shard"], record["metadata"]["row"]))
        if verdict:
            record["responses"] = {"verdict": [{"value": verdict, "user_id": "7"}], "why": [{"value": "because", "user_id": "7"}]}
    (folder / "records.json").write_text(json.dumps(records), "utf-8")
    return folder


def _exported_label_studio(index: Index, folder: Path) -> Path:
    tasks = dumped(index, "label-studio", everything(index))["tasks.json"]
    for number, task in enumerate(tasks):
        verdict = SAID.get((task["data"]["shard"], task["data"]["row"]))
        result = [
            {"from_name": "verdict", "to_name": "text", "type": "choices", "value": {"choices": [verdict]}},
            {"from_name": "why", "to_name": "text", "type": "textarea", "value": {"text": ["because"]}},
        ]
        task |= {"id": number, "annotations": [{"completed_by": 1, "was_cancelled": False, "result": result if verdict else []}]}
        if number == 9:
            task["annotations"] = [{"completed_by": 1, "was_cancelled": True, "result": result}]
    (folder / "export.json").write_text(json.dumps(tasks), "utf-8")
    return folder / "export.json"


@pytest.mark.parametrize("filled", [_filled_jsonl, _filled_csv, _exported_argilla, _exported_label_studio], ids=lambda made: made.__name__)
def test_verdicts_come_back_from_every_format(index: Index, out: Path, tmp_path: Path, filled: Callable[[Index, Path], Path]) -> None:
    file = filled(index, tmp_path)
    first = CliRunner().invoke(cli, ["quarantine", "import", str(out), str(file), "--reviewer", "ada"], catch_exceptions=False)
    again = CliRunner().invoke(cli, ["quarantine", "import", str(out), str(file), "--reviewer", "ada"], catch_exceptions=False)

    assert first.output.startswith("3 verdicts added, 0 known before, 230 entries without one")
    assert again.output.startswith("0 verdicts added, 3 known before")
    with Verdicts(out / "review/verdicts.sqlite") as log:
        assert {key: event.verdict for key, event in log.current().items()} == SAID
        assert {("ada", "because", 1.0, "import")} == {
            (event.reviewer, event.why, event.probability, event.origin) for event in log.events()
        }


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"shard": "a.jsonl", "row": 0, "verdict": "confirmed"}', "line 2: 'confirmed' is no verdict.*did you mean 'confirm'"),
        ('{"shard": "a.jsonl", "verdict": "confirm"}', "line 2: shard, row and probability"),
        ('{"shard": "a.jsonl", "row": 0, "verdict": "confirm", "probability": 2}', "line 2: 2.0 is no probability"),
        ('{"shard": "z.jsonl", "row": 0, "verdict": "confirm"}', "row 0 of 'z.jsonl' is not in this quarantine"),
        ("[1]", "line 2: an entry is an object"),
        ("{", "line 2: not JSON"),
    ],
)
def test_one_wrong_entry_and_none_of_the_file_counts(index: Index, out: Path, tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "d.jsonl").write_text('{"shard": "a.jsonl", "row": 1, "verdict": "release"}\n' + line, "utf-8")
    with Verdicts(out / "review/verdicts.sqlite") as log:
        with pytest.raises(InputError, match=says):
            take(index, log, read(tmp_path / "d.jsonl", "ada")[0])

        assert [] == log.events()


def test_what_was_released_is_judged_no_more(index: Index, out: Path, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"shard": "a.jsonl", "row": 1, "verdict": "confirm"}', "utf-8")
    with Verdicts(out / "review/verdicts.sqlite") as log:
        log.add([Event("a.jsonl", 1, "released", "bo")])
        done = take(index, log, read(tmp_path / "d.jsonl", "ada")[0])

        assert (0, 0, 1) == done
        with pytest.raises(InputError, match="was released on"):
            Review(index, log, "ada").say(1, "confirm")


def test_several_users_of_a_tool_are_told_apart(index: Index, tmp_path: Path) -> None:
    (record,) = dumped(index, "argilla", everything(index)[:1])["records.json"]
    record["responses"] = {"verdict": [{"value": "confirm", "user_id": "7"}, {"value": "release", "user_id": "9"}]}
    (tmp_path / "r.json").write_text(json.dumps([record]), "utf-8")

    assert [("team/7", "confirm"), ("team/9", "release")] == [
        (event.reviewer, event.verdict) for event in read(tmp_path / "r.json", "team")[0]
    ]


# ---- the server


@pytest.fixture
def ask(index: Index, out: Path) -> Callable[..., tuple[int, dict[str, str], bytes]]:
    log = Verdicts(out / "review/verdicts.sqlite")
    app = app_of(Review(index, log, "ada"), TOKEN, 8123)

    def asked(path: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        given = {"host": "127.0.0.1:8123", "cookie": f"decontam-8123={TOKEN}"}
        if method == "POST":
            given |= {"content-type": "application/json", "x-decontam": "1", "origin": "http://127.0.0.1:8123"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = json.dumps(body).encode()
        given.setdefault("content-length", str(len(content)))
        location, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": location, "raw_path": location.encode(), "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items() if value], "http_version": "1.1", "scheme": "http",
            "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8123), "root_path": "",
        }  # fmt: skip
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        asyncio.run(app(scope, receive, send))
        return said[0]["status"], {k.decode(): v.decode() for k, v in said[0]["headers"]}, b"".join(m.get("body", b"") for m in said[1:])

    return asked


def test_who_has_the_token_gets_in(ask: Callable) -> None:
    status, headers, page = ask(f"/?token={TOKEN}", cookie="")

    assert 200 == status
    assert f"decontam-8123={TOKEN}; HttpOnly; SameSite=Strict; Path=/" == headers["set-cookie"]
    assert TOKEN not in page.decode()
    assert 200 == ask("/api/about")[0]


@pytest.mark.parametrize(
    ("status", "path", "how"),
    [
        (403, "/", {"cookie": ""}),
        (403, "/?token=guess", {"cookie": ""}),
        (403, f"/api/about?token={TOKEN}", {"cookie": ""}),
        (403, "/api/about", {"cookie": "decontam-8123=guess"}),
        (403, "/api/about", {"cookie": f"decontam-9999={TOKEN}"}),
        (403, "/review.js", {"cookie": ""}),
        (421, "/api/about", {"host": "far.example"}),
        (421, "/api/about", {"host": "far.example:8123"}),
        (421, "/api/about", {"host": "127.0.0.1:8124"}),
        (421, "/api/about", {"host": ""}),
        (421, "/", {"host": "127.0.0.1.far.example:8123"}),
        (403, "/api/about", {"origin": "http://far.example"}),
        (403, "/api/about", {"origin": "null"}),
        (403, "/api/about", {"sec_fetch_site": "cross-site"}),
        (403, "/api/about", {"sec_fetch_site": "same-site"}),
        (403, f"/?token={TOKEN}", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}),
        (405, "/api/about", {"method": "OPTIONS"}),
        (405, "/api/verdict", {"method": "DELETE"}),
        (403, "/api/verdict", {"method": "POST", "content_type": "text/plain"}),
        (403, "/api/verdict", {"method": "POST", "x_decontam": ""}),
        (403, "/api/verdict", {"method": "POST", "origin": ""}),
        (403, "/api/verdict", {"method": "POST", "origin": "http://127.0.0.1:9"}),
        (413, "/api/verdict", {"method": "POST", "content_length": "999999"}),
        (404, "/nothing", {}),
        (404, "/../pyproject.toml", {}),
        (404, "/api/document?n=99999", {}),
        (400, "/api/document?n=x", {}),
        (400, "/api/document", {}),
        (400, "/api/counts?least=x", {}),
        (409, "/api/verdict", {"method": "POST", "body": {"n": 0, "verdict": "delete"}}),
        (400, "/api/verdict", {"method": "POST", "body": {"n": "0", "verdict": "confirm"}}),
        (400, "/api/verdict", {"method": "POST", "body": [1]}),
        (405, "/api/reveal", {}),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_strangers_get_no_answer(ask: Callable, status: int, path: str, how: dict[str, Any]) -> None:
    got, headers, body = ask(path, **how)

    assert status == got
    assert "access-control-allow-origin" not in headers
    assert "set-cookie" not in headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert b"As an AI" not in body


def test_a_link_from_elsewhere_opens_the_page(ask: Callable) -> None:
    how = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document", "cookie": ""}

    assert 200 == ask(f"/?token={TOKEN}", **how)[0]


def test_each_page_has_a_nonce_of_its_own(ask: Callable) -> None:
    policies = {ask(f"/?token={TOKEN}")[1]["content-security-policy"] for _ in range(3)}

    assert 3 == len(policies)
    assert not [policy for policy in policies if "unsafe" in policy or "*" in policy]
    assert all("require-trusted-types-for 'script'" in policy for policy in policies)


def test_it_listens_on_this_machine_alone() -> None:
    with listening(0) as sock:
        assert "127.0.0.1" == sock.getsockname()[0]
        with pytest.raises(InputError, match="--port"):
            listening(sock.getsockname()[1])


def test_half_surrogate_pairs_travel(tmp_path: Path) -> None:
    out = quarantined(tmp_path / "out", {"a.jsonl": [({"id": "x", "text": "a\ud800b"}, [finding("signatures", "x", 0, 1)])]})
    with Verdicts(out / "v.sqlite") as log:
        told = Review(Index(str(out)).build(), log, "ada").document(0)

    assert "a\ud800b" == "".join(piece for piece, _ in told["texts"][0]["segments"])


def test_a_long_text_comes_in_pieces_around_its_first_finding(tmp_path: Path) -> None:
    text = "".join(chr(97 + n % 26) for n in range(300_000))
    out = quarantined(tmp_path / "out", {"a.jsonl": [({"id": "x", "text": text}, [finding("signatures", "x", 200_000, 200_005)])]})
    with Verdicts(out / "v.sqlite") as log:
        review = Review(Index(str(out)).build(), log, "ada")
        first = review.document(0)["texts"][0]
        later = review.text(0, "text", first["to"])

    assert first["from"] < 200_000 < first["to"] < first["from"] + 50_000
    assert text[later["from"] : later["to"]] == "".join(piece for piece, _ in later["segments"])
    assert first["to"] == later["from"]


def test_what_others_say_meanwhile_is_heard(index: Index, out: Path) -> None:
    with Verdicts(out / "review/verdicts.sqlite") as log, Verdicts(out / "review/verdicts.sqlite") as other:
        review = Review(index, log, "ada")
        other.add([Event("a.jsonl", 1, "confirm", "bo")])
        assert {"confirm": 1} == review.progress()["judged"]
        other.add([Event("a.jsonl", 1, "undo", "bo"), Event("a.jsonl", 2, "release", "bo")])
        assert {"release": 1} == review.progress()["judged"]


def test_a_verdict_on_a_sample_knows_its_probability(index: Index, out: Path) -> None:
    drawn = sample(index, 10, "source", seed=1)
    with Verdicts(out / "review/verdicts.sqlite") as log:
        review = Review(index, log, "ada", drawn)
        review.say(drawn[-1].number, "confirm")

        assert [each.number for each in drawn] == [row["n"] for row in review.page(Filter())["rows"]]
        assert 10 == review.progress()["records"]
        assert drawn[-1].probability == log.events()[0].probability < 1


def test_the_wheel_brings_the_pages() -> None:
    from decontam.quarantine import server

    assert {"review.html", "review.css", "review.js", "dump.css"} <= {path.name for path in server._PAGES.iterdir()}


def test_names_with_signs_of_patterns_are_names(tmp_path: Path) -> None:
    shards = {
        f"{name}.jsonl": [({"id": name, "text": "As an AI"}, [finding("signatures", "x", 0, 2)])]
        for name in ("a[1]", "a*", "a?", "a1", "{a,b}")
    }
    index = Index(str(quarantined(tmp_path / "o[u]t*", shards))).build()

    assert ["a*", "a1", "a?", "a[1]", "{a,b}"] == [row["id"] for row in index.page(Filter())]


def test_tables_of_others_in_the_same_place_are_left_alone(screen_files: Callable, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "theirs.parquet").write_text("no table")
    screen_files(shard(tmp_path / "in/a.jsonl", [API]), config=load_config(overrides={"output": {"quarantine": str(vault)}}))
    index = Index(str(tmp_path / "out")).build()

    assert (["a.jsonl"], 1) == (index.shards, index.count)
    assert CHAT_ID in shown_all(index)[0].texts[0].text


def test_the_command_answers_to_its_address_and_ends_when_told(out: Path) -> None:
    command = [sys.executable, "-m", "decontam", "quarantine", "serve", str(out), "--sample", "5", "--reviewer", "ada"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = server.stdout.readline().strip()
        port = int(address.partition("127.0.0.1:")[2].partition("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", address.partition(str(port))[2])
        answer = connection.getresponse()
        cookie = answer.headers["set-cookie"].partition(";")[0]
        answer.read()
        connection.request("GET", "/api/about", headers={"cookie": cookie})
        about = json.loads(connection.getresponse().read())
        connection.close()
        server.send_signal(signal.SIGINT)

        assert 130 == server.wait(timeout=60)
    finally:
        server.kill()
        server.communicate()
    assert ("ada", True, 5) == (about["reviewer"], about["sample"], about["records"])
    assert 0o600 == (out / "review/verdicts.sqlite").stat().st_mode & 0o777
