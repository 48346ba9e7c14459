"""The page on forty terabytes: its figures follow from its constants, and what the code asks of a store is what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent / "bench"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> object:
    sys.path.insert(0, str(BENCH))
    try:
        import forty_tb
    finally:
        sys.path.remove(str(BENCH))
    return forty_tb


def test_the_figures_of_the_page_follow_from_its_constants(bench: object) -> None:
    page = bench.PAGE.read_text("utf-8")
    constants = bench.read(page)

    assert page == bench.put(page, bench.tables(constants))
    assert all(constant.value >= 0 and constant.how for constant in constants.values())


def test_a_page_is_read_as_it_was_written(bench: object) -> None:
    constants = bench.read(bench.PAGE.read_text("utf-8"))
    page = bench.put(f"before {bench.BEGIN} old {bench.END} after", bench.tables(constants))

    assert constants == bench.read(page)
    assert page.startswith(f"before {bench.BEGIN}\n| constant |")
    assert page.endswith(f"{bench.END} after")


def test_twice_the_bytes_cost_twice_as_much(bench: object) -> None:
    constants = {name: constant.value for name, constant in bench.read(bench.PAGE.read_text("utf-8")).items()}
    once, twice = (
        {what: float(figure.replace(",", "")) for what, figure, _ in bench.figures(constants, bench.Given(terabytes=n))} for n in (40, 80)
    )

    for name in ("shards", "core-hours: screening", "GET requests", "files written", "findings, GB"):
        assert twice[name] == pytest.approx(2 * once[name], rel=1e-3)
    assert twice["memory of a machine, GB"] == once["memory of a machine, GB"]


@pytest.mark.slow
def test_the_page_counts_the_requests_that_are_made(bench: object, tmp_path: Path) -> None:
    constants = bench.read(bench.PAGE.read_text("utf-8"))
    with bench.serving(tmp_path / "log") as store:
        found = bench.requests(store)

    assert {name: constants[name].value for name in found} == {name: constant.value for name, constant in found.items()}
