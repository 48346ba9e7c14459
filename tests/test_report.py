"""Figures add up to what runs did; the page shows them in any browser, asks for nothing, and holds no text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from decontam.cli import cli
from decontam.config import load_config
from decontam.errors import InputError
from decontam.figures.gather import gathered
from decontam.figures.page import html
from decontam.quarantine.verdicts import Event, Verdicts
from decontam.queries import source_of

from .conftest import shard
from .test_review_page import CHROMIUM, FLAGS, Watch, browser, finding, quarantined  # noqa: F401 - browser is a fixture
from .test_run import API, BAD, BOTH, HUMAN, MAIL, SECRET

MANY = {"id": "many", "text": " ".join(f"person{n}@gartenfreunde-nord.de" for n in range(9))}
JAPANESE = {"id": "ja", "text": f"{'今日は良い天気ですね。' * 9}{API['text']}"}
SHARDS: dict[str, list[Any]] = {
    "web/part-0001.jsonl": [HUMAN, API, MAIL, *BAD[:2]],
    "web/part-0002.jsonl": [SECRET, BOTH, HUMAN, HUMAN],
    "books-00001.jsonl": [MANY, JAPANESE, {"id": "other", "text": "x", "note": "not looked at"}],
}


@pytest.fixture
def out(screen_files: Callable, tmp_path: Path) -> Path:
    for name, records in SHARDS.items():
        shard(tmp_path / "in" / name, records)
    screen_files(tmp_path / "in", config=load_config(overrides={"input": {"max_error_rate": 1}}))
    return tmp_path / "out"


@pytest.fixture
def figures(out: Path) -> dict[str, Any]:
    return gathered([str(out)])


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [row for path in sorted((out / "findings").rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_figures_are_those_of_the_run(out: Path, figures: dict[str, Any]) -> None:
    told = orjson.loads((out / "report.json").read_bytes())

    assert told["tally"] == figures["tally"]
    assert told["unscreened"] == figures["unscreened"] == ["note"]
    assert told["balanced"] and figures["balanced"]
    assert told["seconds"] == pytest.approx(figures["seconds"])


def test_each_rule_counts_records_findings_and_what_became_of_them(out: Path, figures: dict[str, Any]) -> None:
    outcomes = {"tag": "tagged", "redact": "redacted", "quarantine": "quarantined", "keep": "kept", "drop": "dropped"}
    records: dict[str, Counter[str]] = {}
    found: Counter[str] = Counter()
    for row in rows_of(out):
        for name in {f"{each['stage']}/{each['rule']}" for each in row["findings"]}:
            records.setdefault(name, Counter())[outcomes[row["action"]]] += 1
        found.update(f"{each['stage']}/{each['rule']}" for each in row["findings"])

    assert {name: dict(counts) for name, counts in records.items()} == {rule["name"]: rule["outcomes"] for rule in figures["rules"]}
    assert found == {rule["name"]: rule["findings"] for rule in figures["rules"]}
    assert figures["tally"]["documents"] == {rule["name"]: rule["records"] for rule in figures["rules"]}


def test_tokens_lost_are_counted_once_each_way(out: Path, figures: dict[str, Any]) -> None:
    rows = rows_of(out)
    taken = sum(row["text_bytes"] for row in rows if row["action"] == "quarantine")
    cut = sum(each["end"] - each["start"] for row in rows for each in row["redactions"])

    for parts in ("tokens", "policy"):
        assert (taken + cut) // 4 == pytest.approx(sum(part["tokens"] for part in figures[parts]), abs=len(figures[parts]))
    for parts in ("rules", "sources"):
        assert (taken + cut) // 4 == pytest.approx(sum(part["lost_tokens"] for part in figures[parts]), abs=len(figures[parts]))


def test_sources_languages_and_lengths_add_up(figures: dict[str, Any]) -> None:
    sources = {source["source"]: source for source in figures["sources"]}

    assert {"web": (2, 9), "books": (1, 3)} == {name: (source["shards"], source["records"]) for name, source in sources.items()}
    assert figures["tally"]["sizes"]["quarantined"] == sum(source["lost_bytes"] for source in sources.values())
    assert figures["tally"]["records"] == sum(length["records"] for length in figures["lengths"])
    assert all(length["found"] <= length["records"] for length in figures["lengths"])
    assert {"und-Latn", "ja"} == {language["value"] for language in figures["languages"]}
    assert sum(length["found"] for length in figures["lengths"]) == sum(language["records"] for language in figures["languages"])


def test_each_row_of_the_policy_says_what_it_cost(figures: dict[str, Any]) -> None:
    rows = {(row["row"], row["outcome"]): row["records"] for row in figures["policy"]}

    assert any("pii/*" in row and outcome == "redacted" for row, outcome in rows), rows
    assert all(records > 0 for records in rows.values())


def test_several_runs_add_up(out: Path, screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "more/a.jsonl", [API, HUMAN]), out=tmp_path / "out2")
    one, two, both = (gathered([str(path) for path in paths]) for paths in ([out], [tmp_path / "out2"], [out, tmp_path / "out2"]))

    assert one["tally"]["records"] + two["tally"]["records"] == both["tally"]["records"]
    records = [{rule["name"]: rule["records"] for rule in figures["rules"]} for figures in (one, two, both)]
    assert Counter(records[0]) + Counter(records[1]) == Counter(records[2])
    assert ["out", "out2"] == [Path(run["out"]).name for run in both["runs"]]


def test_findings_of_an_earlier_version_are_read(out: Path) -> None:
    for path in (out / "findings").rglob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["size", "text_bytes", "language"]), path)
    for path in (out / "tallies").rglob("*.json"):
        result = orjson.loads(path.read_bytes())
        del result["tally"]["sizes"], result["tally"]["lengths"]
        path.write_bytes(orjson.dumps(result))
    figures = gathered([str(out)])

    assert [("(unknown)", 6)] == [(language["value"], language["records"]) for language in figures["languages"]]
    assert ([], 12) == (figures["lengths"], figures["tally"]["records"])
    assert html(figures)


def test_a_run_that_found_nothing_has_a_page(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN]))
    figures = gathered([str(tmp_path / "out")])

    assert ([], [], {}) == (figures["rules"], figures["languages"], figures["examples"])
    assert html(figures)


def test_a_broken_table_is_named(out: Path) -> None:
    (out / "findings/web/part-0001.jsonl.parquet").write_bytes(b"not a table")
    with pytest.raises(InputError, match="a table cannot be read.*part-0001"):
        gathered([str(out)])


@pytest.mark.parametrize(
    ("source", "shard"),
    [
        ("CC-MAIN-2026-10", "CC-MAIN-2026-10/part-00001.jsonl.zst"),
        ("a/b", "a/b/c.parquet"),
        ("web", "web-00001-of-00010.jsonl.gz"),
        ("train", "train-00000-of-00002.parquet"),
        ("(all)", "00000.jsonl"),
        ("wiki.en", "wiki.en.3.jsonl"),
        ("x", "x.jsonl"),
    ],
)
def test_the_source_of_a_shard(source: str, shard: str) -> None:
    assert source == source_of(shard)


# ---- the command


def invoked(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["report", *arguments], catch_exceptions=False)


def test_the_command_writes_a_page_and_prints_tables(out: Path) -> None:
    done = invoked(str(out))

    assert 0 == done.exit_code
    assert "signatures/openai.chat-completion-id" in done.output
    assert "not screened: columns note" in done.stderr
    assert (out / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_json_is_the_figures(out: Path, tmp_path: Path) -> None:
    done = invoked(str(out), "--json", "--html", str(tmp_path / "elsewhere.html"))

    assert gathered([str(out)]) == json.loads(done.stdout)
    assert (tmp_path / "elsewhere.html").exists()
    assert not (out / "report.html").exists()


def test_compare_says_what_changed(out: Path, screen_files: Callable, tmp_path: Path) -> None:
    for name, records in SHARDS.items():
        shard(tmp_path / "in2" / name, [record for record in records if record is not MAIL])
    screen_files(tmp_path / "in2", out=tmp_path / "out2", config=load_config(overrides={"input": {"max_error_rate": 1}}))
    done = invoked(str(out), str(tmp_path / "out2"), "--compare", "--no-html")
    line = next(line for line in done.output.splitlines() if line.startswith("pii/email.address"))

    assert ["1", "-1"] == line.split()[1:3]
    assert 2 == CliRunner().invoke(cli, ["report", str(out), "--compare"]).exit_code


def test_overwriting_a_run_removes_its_page(out: Path, screen_files: Callable, tmp_path: Path) -> None:
    invoked(str(out))
    screen_files(shard(tmp_path / "in3/a.jsonl", [HUMAN]), overwrite=True)

    assert not (out / "report.html").exists()


def test_verdicts_are_never_overwritten(out: Path, screen_files: Callable, tmp_path: Path) -> None:
    with Verdicts(out / "review/verdicts.sqlite") as log:
        log.add([Event("web/part-0001.jsonl", 1, "confirm", "ada")])
    with pytest.raises(InputError, match="would part .*/review from what it judges; move that folder away"):
        screen_files(shard(tmp_path / "in3/a.jsonl", [HUMAN]), overwrite=True)

    assert (out / "quarantine").exists()


# ---- the page


def test_nothing_in_the_page_ends_what_it_is_in(figures: dict[str, Any]) -> None:
    figures["unscreened"] = ["</script><script>alert(1)</script>", "<!--", "{{chart}}"]
    page = html(figures)

    assert 3 == page.count("<script") == page.count("</script")
    assert "<!--" not in page
    assert page.count("{{chart}}") == 1


def test_the_page_holds_no_text(out: Path, figures: dict[str, Any]) -> None:
    page = html(figures)
    texts = [record["text"] for records in SHARDS.values() for record in records if isinstance(record, dict)]

    assert figures["examples"]
    assert not [word for text in texts for word in text.split() if len(word) > 5 and word.strip('",:{}') in page and "." in word]
    shown = json.dumps(figures["examples"], ensure_ascii=False)
    assert not set(
        "".join(each[key] for found in figures["examples"].values() for each in found for key in ("before", "find", "after"))
    ) & set("abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ123456789今日"), shown


HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1300), ("dark", 1300), ("light", 390), ("dark", 390)])
def test_the_page_opens_offline(browser: Any, figures: dict[str, Any], tmp_path: Path, scheme: str, width: int) -> None:  # noqa: F811
    figures["unscreened"] = [HOSTILE, "</script><script>alert(1)</script>"]
    figures["sources"][0]["source"] = HOSTILE
    figures["problems"] = {HOSTILE: HOSTILE}
    figures["scores"] = [{"stage": "synthetic", "bins": list(range(20)), "thresholds": [0.9]}]
    (tmp_path / "report.html").write_text(html(figures, json.loads(json.dumps(figures))), "utf-8")
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, offline=True)
    address = (tmp_path / "report.html").as_uri()
    watch = Watch(context, address)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#rules tbody tr")
    inked = page.evaluate(
        """() => [...document.querySelectorAll('canvas')].map((canvas) => {
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return new Set(new Uint32Array(data.buffer)).size;
        })"""
    )

    assert ([], []) == (watch.happened, watch.strangers)
    assert 9 <= len(inked)
    assert 3 < min(inked)
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("() => [...document.querySelectorAll('canvas')].every((canvas) => canvas.getAttribute('aria-label').length > 20)")
    assert HOSTILE in page.locator("#unscreened").text_content()
    context.close()


@pytest.mark.browser
def test_tables_sort_and_search(browser: Any, figures: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "report.html").write_text(html(figures), "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())

    def records() -> list[int]:
        return [int(text.replace(",", "")) for text in page.locator("#rules tbody td:nth-child(4)").all_text_contents()]

    page.get_by_role("button", name="records").first.click()
    assert sorted(records(), reverse=True) == records()
    page.get_by_role("button", name="records").first.click()
    assert sorted(records()) == records()
    page.get_by_role("searchbox").first.fill("EMAIL")
    assert 1 == len(records())
    page.close()


def test_charts_are_those_that_notice_names() -> None:
    import decontam

    pages = Path(decontam.__file__).parent / "figures/pages"
    notice = (Path(decontam.__file__).parents[1] / "NOTICE").read_text("utf-8")
    version = (pages / "chart.umd.min.js").read_text("utf-8").split("Chart.js v", 1)[1].split()[0]

    assert f"Chart.js {version}" in notice
