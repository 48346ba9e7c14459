"""Pages add up by site however a run was sharded; the share of a site that a model wrote is estimated, and human sites are spared."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from decontam import sites
from decontam.cli.sites import command
from decontam.config import chain_of, fingerprint, load_config
from decontam.errors import ArtefactError, ConfigError, DecontamError
from decontam.sites import ABSTAINED, ANY, BINS, EXEMPT, FEWEST, Histograms, Pages, Rates, bin_of, day_of, estimate, exempt, judge, site_of
from decontam.stages import STAGES
from decontam.training import sites as training
from decontam.types import Action, Field, Finding, Measure, Record, Span, Strength, Verdict
from decontam.view import View

from .conftest import shard

DRAW = np.random.default_rng(1)


def _hill(middle: float, spread: float, pages: int = 1000) -> np.ndarray:
    """A histogram of pages around a bin."""
    heights = np.exp(-(((np.arange(BINS) - middle) / spread) ** 2) / 2)
    return np.round(pages * heights / heights.sum())


HUMAN = np.array([_hill(12, 4), _hill(16, 3), _hill(14, 5)])
MODEL = np.array([_hill(32, 5), _hill(36, 4)])
RATES = replace(Rates.of(Histograms(HUMAN, MODEL)), asked={0.002: ((5, 8.28), (20, 8.28))})


def _site(share: float, pages: int) -> Counter[tuple[str, int]]:
    of_model = round(share * pages)
    drawn = DRAW.multinomial(of_model, MODEL[0] / MODEL[0].sum()) + DRAW.multinomial(pages - of_model, HUMAN[0] / HUMAN[0].sum())
    return Counter({("en", number): int(count) for number, count in enumerate(drawn) if count})


# Whose page it is, and when it was crawled.


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.example.com/a/b?c=d#e", "example.com"),
        ("http://News.BBC.co.uk:8080/x", "bbc.co.uk"),
        ("example.org/page", "example.org"),
        ("//cdn.example.org/x", "example.org"),
        ("https://jane.github.io/blog", "jane.github.io"),
        ("https://user@mail.example.com/", None),
        ("http://192.0.2.7/x", "192.0.2.7"),
        ("http://[2001:db8::1]/x", "2001:db8::1"),
        ("https://例え.テスト/", "例え.テスト"),
        ("https://example.com./", "example.com"),
        ("mailto:jane@example.com", None),
        ("localhost/x", None),
        ("http://[::bad/", None),
        ("not a url", None),
        ("", None),
    ],
)
def test_the_site_of_a_page(url: str, expected: str | None) -> None:
    assert expected == site_of(url)


@given(st.text(max_size=60))
def test_any_url_has_a_site_or_none(url: str) -> None:
    found = site_of(url)

    assert found is None or found


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2022-11-29", date(2022, 11, 29)),
        ("2022-11-30T00:00:00Z", date(2022, 11, 30)),
        ("2019/03/04 10:00", date(2019, 3, 4)),
        ("20190304101112", date(2019, 3, 4)),
        ("20190304", date(2019, 3, 4)),
        ("1551657600", date(2019, 3, 4)),
        ("1551657600000", date(2019, 3, 4)),
        ("yesterday", None),
        ("2022", None),
        ("9999-99-99", None),
        ("", None),
    ],
)
def test_the_day_that_a_record_names(said: str, expected: date | None) -> None:
    assert expected == day_of(said)


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"crawled": "2022-11-29"}, True),
        ({"crawled": "2022-11-30"}, False),
        ({"dated": "2011-01-01"}, True),
        ({"crawled": "2024-01-01", "dated": "2011-01-01"}, True),
        ({"crawled": "who knows"}, False),
        ({}, False),
    ],
)
def test_pages_that_are_older_than_models_are_exempt(meta: dict[str, str], expected: bool) -> None:
    assert expected == exempt(Record("a", (Field("text", "x"),), meta))


def test_a_date_that_the_config_does_not_name_exempts_nobody() -> None:
    from decontam.layout import Unreadable, layout_of

    line = b'{"text": "x", "url": "https://example.com", "date": "2011-01-01", "timestamp": "2021-01-01"}'
    for keys, expected in [({}, False), ({"crawl_date_key": "timestamp"}, True), ({"page_date_key": "date"}, True)]:
        record = layout_of(load_config(None, {"input": keys})).read(line, "a", 0)

        assert not isinstance(record, Unreadable)
        assert expected == exempt(record)


# Counts add up.

keys = st.tuples(st.sampled_from(["a.com", "b.com"]), st.sampled_from(["en", ANY]), st.integers(EXEMPT, BINS - 1))
pages = st.lists(keys, max_size=20).map(lambda found: Pages(Counter(found)))


@given(pages, pages, pages)
def test_pages_are_a_commutative_sum(a: Pages, b: Pages, c: Pages) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Pages() == a


@given(pages)
def test_a_table_holds_all_that_was_counted(counted: Pages) -> None:
    again = Pages()
    again.add_rows(counted.rows())

    assert counted == again


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_probability_is_never_in_a_lower_bin(a: float, b: float) -> None:
    assert bin_of(min(a, b)) <= bin_of(max(a, b))
    assert 0 <= bin_of(a) < BINS


# What counts mean.

histograms = st.lists(st.lists(st.integers(0, 50), min_size=BINS, max_size=BINS), min_size=1, max_size=4).map(
    lambda rows: np.array(rows, float) + 0.0
)


@given(histograms, histograms)
def test_a_higher_score_never_says_less(human: np.ndarray, model: np.ndarray) -> None:
    here, there = ((counts + 1).sum(axis=0) / (counts + 1).sum() for counts in (human, model))
    found = sites.ratios(here, there)

    assert np.all(np.diff(found) >= -1e-9)
    assert np.isclose(1.0, (found * here).sum())  # it is still a distribution of model-written text


@given(histograms)
def test_the_worst_human_text_reaches_every_score_oftenest(human: np.ndarray) -> None:
    beyond = np.cumsum(sites.worst(human)[::-1])[::-1]
    each = np.cumsum(sites._shares(human)[:, ::-1], axis=1)[:, ::-1]

    assert np.all(beyond >= each - 1e-9)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
def test_the_share_is_estimated(share: float) -> None:
    found = [estimate({"en": _counts(_site(share, 200))}, {"en": RATES}) for _ in range(20)]

    assert abs(share - np.mean([one.share for one in found])) < 0.06
    assert sum(one.low <= share <= one.high for one in found) >= 17
    assert all(one.low <= one.share <= one.high for one in found)


def _counts(site: Counter[tuple[str, int]]) -> np.ndarray:
    counts = np.zeros(BINS)
    for (_, number), count in site.items():
        counts[number] += count
    return counts


def test_more_pages_say_more_and_more_model_written_ones_too() -> None:
    model, human = _hill(32, 1, 100) / 100, _hill(12, 1, 100) / 100
    by_size = [estimate({"en": pages * (model + human) / 2}, {"en": RATES}).evidence for pages in (4, 20, 100)]
    by_share = [estimate({"en": 20 * (share * model + (1 - share) * human)}, {"en": RATES}).evidence for share in (0.1, 0.3, 0.9)]

    assert sorted(by_size) == by_size
    assert sorted(by_share) == by_share
    assert by_size[0] < by_size[-1]


def test_no_single_page_is_evidence_enough() -> None:
    one = _counts(Counter({("en", 12): 19, ("en", BINS - 1): 1}))

    assert estimate({"en": one}, {"en": RATES}).evidence < RATES.evidence(20, 0.002)


@pytest.mark.parametrize(
    ("pages", "expected", "scored"),
    [
        (Counter({("en", 40): 30}), "model", 30),
        (Counter({("en", 40): 15, ("en", 10): 15}), "model", 30),
        (Counter({("en", 10): 30}), "not shown", 30),
        (Counter({("en", 40): FEWEST - 1}), "too few", FEWEST - 1),
        (Counter({("en", 40): 4, (ANY, ABSTAINED): 50}), "too few", 4),
        (Counter({(ANY, EXEMPT): 50}), "too few", 0),
        (Counter({("xx", 40): 30}), "not known", 30),
        (Counter({("xx", 40): 30, ("en", 40): 30}), "model", 60),
    ],
)
def test_what_is_decided(pages: Counter[tuple[str, int]], expected: str, scored: int) -> None:
    found = judge("example.com", pages, {"en": RATES}, 0.002)

    assert expected == found.decision
    assert (scored, sum(pages.values())) == (found.scored, found.pages)
    assert found.pages == found.scored + found.abstained + found.exempt


def test_a_language_that_has_no_reference_falls_back_on_all_of_them() -> None:
    assert "model" == judge("example.com", Counter({("xx", 40): 30}), {ANY: RATES}, 0.002).decision


def test_between_two_sizes_the_harder_one_counts() -> None:
    rates = replace(RATES, asked={0.01: ((5, 9.0), (20, 6.0), (50, 7.0))})

    assert [9.0, 9.0, 6.0, 7.0, 7.0, 7.0] == [rates.evidence(pages, 0.01) for pages in (4, 6, 20, 30, 50, 900)]


# How a reference is made.


def _sources() -> list[training.Source]:
    def drawn(middle: float, spread: float, pages: int) -> np.ndarray:
        return 1 / (1 + np.exp(-DRAW.normal(middle, spread, pages)))

    human = [training.Source("en", f"h{n}", f"fold{n}", True, drawn(-5 + n, 1.5, 300)) for n in range(4)]
    model = [training.Source("en", f"m{n}", f"fold{n}", False, drawn(5 + n, 1.5, 300)) for n in range(2)]
    alike = [training.Source("fr", f"h{n}", f"fold{n}", True, drawn(0, 2, 300)) for n in range(4)]
    return [*human, *model, *alike, training.Source("fr", "m", "fold0", False, drawn(0, 2, 300))]


def test_a_reference_is_read_as_it_was_written_and_has_what_it_can_tell_apart(tmp_path: Path) -> None:
    path = tmp_path / "mine.model"
    sites.reference_path(path).write_bytes(training.written(_sources(), "mine"))

    found = sites.read_reference(path, "mine")

    assert {"en"} == set(found) - {ANY}
    assert training.written(_sources()[:6], "mine").endswith(b"}\n")
    assert [0.01, 0.002, 0.001] == sites.rates_of(found)
    assert "model" == judge("x.com", Counter({("en", 40): 20}), found, 0.002).decision
    assert "not shown" == judge("x.com", Counter({("en", 14): 20}), found, 0.002).decision


def test_no_human_source_shows_what_is_asked_for_when_its_fold_is_left_out() -> None:
    known = [source for source in _sources() if source.language == "en"]
    asked = {rate: dict(map(tuple, table)) for rate, table in training.asked(known).items()}

    for source in known:
        if source.human:
            against = training.rates(one for one in known if one.fold != source.fold)
            assert against is not None
            shown = training.evidence(source, 20, against)
            assert (shown >= asked["0.002"][20]).mean() <= 0.002
    assert all(asked[f"{rate:g}"][size] >= floor for rate, floor in training.FLOORS.items() for size in training.SIZES)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), (b"no", "no reference"), (b'{"schema": 1, "model": "other", "sites": {}}', "for other"),
     (b'{"schema": 9, "model": "mine"}', "schema 9"),
     (b'{"schema": 1, "model": "mine", "sites": {"en": {"human": {"a": [1]}, "model": {"b": [1]}, "asked": {}}}}', "no reference")],
)  # fmt: skip
def test_a_reference_that_cannot_be_used_says_why(tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "mine.sites.json").write_bytes(content)

    with pytest.raises(ArtefactError, match=says):
        sites.read_reference(tmp_path / "mine.model", "mine")


def test_the_shipped_reference_is_for_the_shipped_model() -> None:
    from decontam import model

    found = sites.read_reference(model.BUILTIN, model.opened(model.BUILTIN).name)

    assert "en" in found
    assert 0.002 in sites.rates_of(found)


# Runs.


@dataclass(frozen=True)
class Pretend:
    """The synthetic stage, for texts that say their own probability: `p=0.97`, or that they are short."""

    name: str = "synthetic"

    @classmethod
    def load(cls, options: object, scanner: object) -> Pretend:
        return cls()

    def _said(self, view: View) -> float | None:
        said = view.text.partition("p=")[2].split(" ")[0]
        return float(said) if said else None

    def inspect(self, view: View) -> Iterable[Finding]:
        said = self._said(view)
        if said is not None and said > 0.9:
            strength = Strength.STRONG if said > 0.99 else Strength.WEAK
            yield Finding(view.field.path, self.name, "pretend", "1", "SYNTHETIC", Span(0, len(view.text)), strength, said)

    def measure(self, view: View) -> Measure:
        said = self._said(view)
        return Measure(None, ("abstained: short",)) if said is None else Measure(said, ("scored", "language: en"))


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES, "synthetic", f"{__name__}:Pretend")


def _pages() -> list[dict[str, object]]:
    texts = {
        "model.com": ["p=0.97"] * 12,
        "half.com": ["p=0.97", "p=0.02"] * 8,
        "human.com": ["p=0.02"] * 12,
        "old.com": ["p=0.97"] * 12,
        "short.com": ["tiny"] * 6,
    }
    made = []
    for site, found in texts.items():
        for number, text in enumerate(found):
            crawled = "2020-02-02" if site == "old.com" else "2024-02-02"
            made.append({"id": f"{site}-{number}", "text": text, "url": f"https://www{number % 3}.{site}/{number}", "crawl": crawled})
    return [
        *made,
        {"id": "none", "text": "p=0.97"},
        {"id": "odd", "text": "p=0.97", "url": "odd"},
        {"id": "number", "text": "p=0.97", "url": 7},
    ]


def _config(**more: object) -> object:
    return load_config(None, {"input": {"crawl_date_key": "crawl"}, **more})


def _table(out: Path) -> Counter[tuple[str, str, int]]:
    import pyarrow.parquet as pq

    total: Counter[tuple[str, str, int]] = Counter()
    for path in sorted(out.joinpath("sites").rglob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            total[row["site"], row["language"], row["bin"]] += row["pages"]
    return total


EXPECTED = {
    ("model.com", "en", bin_of(0.97)): 12,
    ("half.com", "en", bin_of(0.97)): 8,
    ("half.com", "en", bin_of(0.02)): 8,
    ("human.com", "en", bin_of(0.02)): 12,
    ("old.com", ANY, EXEMPT): 12,
    ("short.com", ANY, ABSTAINED): 6,
}


@pytest.mark.usefixtures("pretend")
@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("part", [256_000_000, 900])
def test_neither_shards_nor_parts_change_what_is_counted(screen_files: Callable[..., dict], tmp_path: Path, shards: int, part: int) -> None:
    paths = [shard(tmp_path / f"in/{number}.jsonl", _pages()[number::shards]) for number in range(shards)]

    report = screen_files(*paths, config=_config(output={"checkpoint_bytes": part}))

    assert not report["problems"]
    assert EXPECTED == _table(tmp_path / "out")


@pytest.mark.usefixtures("pretend")
def test_records_of_no_site_leave_no_table(screen_files: Callable[..., dict], tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "a.jsonl", [{"id": "a", "text": "p=0.97"}]))

    assert not (tmp_path / "out" / "sites").exists()


@pytest.fixture
def run_of(pretend: None, screen_files: Callable[..., dict], tmp_path: Path) -> Path:
    screen_files(shard(tmp_path / "in/a.jsonl", _pages()[::2]), shard(tmp_path / "in/b.jsonl", _pages()[1::2]), config=_config())
    return tmp_path / "out"


def test_the_command_names_sites(run_of: Path, tmp_path: Path) -> None:
    places = {suffix: tmp_path / f"sites{suffix}" for suffix in (".csv", ".jsonl", ".parquet", ".txt")}
    writes = [argument for place in places.values() for argument in ("--write", str(place))]

    done = CliRunner().invoke(command, [str(run_of), "--json", *writes], catch_exceptions=False)
    shown = CliRunner().invoke(command, [str(run_of)], catch_exceptions=False).output

    rows = [json.loads(line) for line in done.output.splitlines()]
    assert ["half.com", "human.com", "model.com", "old.com", "short.com"] == [row["site"] for row in rows]
    assert ["model", "not shown", "model", "too few", "too few"] == [row["decision"] for row in rows]
    assert (16, 16, 0, 0) == tuple(rows[0][name] for name in ("pages", "scored", "abstained", "exempt"))
    assert (12, 0, 0, 12) == tuple(rows[3][name] for name in ("pages", "scored", "abstained", "exempt"))
    assert 0.35 < rows[0]["share"] < 0.7
    assert rows == [json.loads(line) for line in places[".jsonl"].read_text("utf-8").splitlines()]
    assert ["half.com", "model.com"] == places[".txt"].read_text("utf-8").split()
    assert [row["site"] for row in rows] == [row["site"] for row in csv.DictReader(io.StringIO(places[".csv"].read_text("utf-8")))]
    import pyarrow.parquet as pq

    assert rows == pq.read_table(places[".parquet"]).to_pylist()
    assert "5 sites: model 2, not shown 1, too few 2" in shown


def test_runs_add_up(run_of: Path, screen_files: Callable[..., dict], tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "more/c.jsonl", _pages()), config=_config(), out=tmp_path / "out2")

    done = CliRunner().invoke(command, [str(run_of), str(tmp_path / "out2"), "--json"], catch_exceptions=False)

    assert 24 == next(json.loads(line)["pages"] for line in done.output.splitlines() if '"model.com"' in line)


def test_a_share_may_be_asked_for(run_of: Path, tmp_path: Path) -> None:
    CliRunner().invoke(command, [str(run_of), "--min-share", "0.8", "--write", str(tmp_path / "a.txt")], catch_exceptions=False)

    assert ["model.com"] == (tmp_path / "a.txt").read_text("utf-8").split()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fpr", "0.5"], "0.01, 0.002, 0.001"),
        (["--write", "a.xls"], ".parquet"),
        (["{out}"], "named twice"),
        (["{out}/kept"], "manifest.json"),
    ],
)
def test_what_cannot_be_answered_is_explained(run_of: Path, arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(command, [str(run_of), *(argument.format(out=run_of) for argument in arguments)])

    assert isinstance(done.exception, DecontamError)
    assert says in str(done.exception)


def test_a_run_without_the_stage_is_explained(screen_files: Callable[..., dict], tmp_path: Path) -> None:
    off = load_config(None, {"stages": {"synthetic": {"enabled": False}}})
    screen_files(shard(tmp_path / "a.jsonl", [{"id": "a", "text": "x", "url": "https://a.com"}]), config=off)

    done = CliRunner().invoke(command, [str(tmp_path / "out")])

    assert "synthetic stage was off" in str(done.exception)


# Lists of sites.


def _listed(tmp_path: Path, what: str, *names: str) -> object:
    (tmp_path / "names.txt").write_text("# found\n" + "\n".join(names) + "\n", "utf-8")
    (tmp_path / "mine.yaml").write_text(f"input: {{crawl_date_key: crawl}}\npolicy: {{sites: {{{what}: names.txt}}}}\n", "utf-8")
    return load_config(tmp_path / "mine.yaml")


def _page(text: str, url: object = "https://sub.bad.com/1", crawl: str = "2024-01-01") -> Record:
    return Record("a", (Field("text", text),), {"url": url, "crawled": crawl})


@pytest.mark.usefixtures("pretend")
@pytest.mark.parametrize(
    ("what", "record", "expected"),
    [
        ("block", _page("p=0.02"), Action.QUARANTINE),
        ("block", _page("p=0.02", "https://good.com"), Action.KEEP),
        ("block", _page("p=0.02", "https://notbad.com"), Action.KEEP),
        ("block", _page("p=0.02", crawl="2020-01-01"), Action.KEEP),
        ("suspect", _page("p=0.02"), Action.TAG),
        ("suspect", _page("p=0.95"), Action.QUARANTINE),
        ("suspect", _page("p=0.95", "https://good.com"), Action.TAG),
        ("suspect", _page("p=0.95", crawl="2020-01-01"), Action.TAG),
    ],
)
def test_pages_of_listed_sites(tmp_path: Path, what: str, record: Record, expected: Action) -> None:
    chain = chain_of(_listed(tmp_path, what, "bad.com"))  # type: ignore[arg-type]

    assert expected == chain.screen(record).action


@pytest.mark.usefixtures("pretend")
def test_a_finding_says_which_list_it_comes_from(tmp_path: Path) -> None:
    verdict: Verdict = chain_of(_listed(tmp_path, "block", "bad.com")).screen(_page("p=0.02"))  # type: ignore[arg-type]

    assert [("sites/blocked", "BLOCKED_SITE", "bad.com")] == [(one.name, one.kind, one.detail["site"]) for one in verdict.findings]


def test_another_list_is_another_run(tmp_path: Path) -> None:
    first, second = (fingerprint(_listed(tmp_path, "block", *names), ()) for names in (["a.com"], ["a.com", "b.com"]))  # type: ignore[arg-type]

    assert first != second


def test_a_list_that_is_not_there_is_explained(tmp_path: Path) -> None:
    config = load_config(None, {"policy": {"sites": {"block": str(tmp_path / "gone.txt")}}})

    with pytest.raises(ConfigError, match=r"policy.sites.block: .*gone.txt"):
        chain_of(config)
