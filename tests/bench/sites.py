"""How well sites of model-written pages are told from sites that people wrote, by leaving sources out.

    python tests/bench/sites.py SCORES.npz [--data FOLDER...] [--licences open|all] [--pages 20] [--more FILE.jsonl.zst...]

SCORES.npz holds calibrated probabilities of long texts by models that had not seen their fold; it is made from `--data` where it
is not there (minutes). A site is drawn from the pages of one source, or half of them from another. `found` is the share of sites
of a model-written source, weighed against a reference without its fold; `false`, that of a human source, against a reference and
thresholds that its fold had no part in. `--more` adds human texts that no model was trained on, scored by the shipped model.
`share` is how often the interval holds the true share of model-written pages, and the mean estimate.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from rates import wilson

from decontam import model as models
from decontam.calibration import calibrated
from decontam.config import load_config
from decontam.sites import Rates, estimate, log_odds
from decontam.stages.synthetic import Synthetic
from decontam.training import sites as reference
from decontam.training.corpus import read, rows_of, sources_of
from decontam.training.fit import Recipe
from decontam.training.sites import Source
from decontam.view import View

FPR = 0.002
DRAWN = 1000  # sites of each source


def _kept(path: Path, sources: Iterable[Source]) -> None:
    known = list(sources)
    about = np.array([[one.language, one.name, one.fold, "human" if one.human else "llm"] for one in known])
    np.savez_compressed(path, about=about, **{f"p{number}": one.probabilities for number, one in enumerate(known)})


def _loaded(path: Path) -> list[Source]:
    with np.load(path) as held:
        return [
            Source(language, name, fold, label == "human", held[f"p{number}"])
            for number, (language, name, fold, label) in enumerate(held["about"].tolist())
        ]


def _scored(folders: list[Path], licences: str) -> list[Source]:
    corpus = read(folders, sources_of())
    languages = calibrated(models.opened(models.BUILTIN).header["languages"], str(models.BUILTIN))
    return reference.scored_sources(corpus, reference.left_out(corpus, licences, Recipe()), languages)


def _unseen(paths: list[Path]) -> list[Source]:
    """Texts that the shipped model was not trained on, by its own scores."""
    stage = Synthetic.load(load_config().stages["synthetic"].options, None)  # type: ignore[arg-type]
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for path in paths:
        for row in rows_of(path):
            score, remarks = stage.measure(View.of(row["text"]))
            spoken = [remark.partition(": ")[2] for remark in remarks if remark.startswith("language: ")]
            if score is not None and spoken:
                found[spoken[0], str(row["source"])].append(score)
    return [Source(language, name, name, True, np.array(scores)) for (language, name), scores in sorted(found.items()) if len(scores) >= 20]


def _drawn(draw: np.random.Generator, source: Source, pages: int, sites: int = DRAWN) -> np.ndarray:
    histogram = source.histogram
    return draw.multinomial(pages, histogram / histogram.sum(), sites).astype(float)


def _asked(sources: list[Source], pages: int) -> float:
    table = dict(map(tuple, reference.asked(sources)[f"{FPR:g}"]))
    return max(at for size, at in table.items() if size <= pages or size == min(table))


def _found(counts: np.ndarray, against: Rates, asked: float) -> int:
    return int((log_odds(counts, against.strict).max(axis=1) >= asked).sum())


def of_language(language: str, sources: list[Source], pages: int, draw: np.random.Generator) -> None:
    here = [one for one in sources if one.language == language and len(one.probabilities) >= (60 if one.human else 20)]
    humans, written = ([one for one in here if one.human is kind] for kind in (True, False))
    asked = _asked(here, pages)
    print(f"{language}: {len(humans)} human sources, {len(written)} model-written ones, sites of {pages} pages")
    false = drawn = 0
    for fold in sorted({one.fold for one in humans}):
        others = [one for one in here if one.fold != fold]
        against = reference.rates(others)
        if against is None:
            continue
        nested = _asked(others, pages)
        for one in humans:
            if one.fold == fold:
                hits = _found(_drawn(draw, one, pages, 4 * DRAWN), against, nested)
                false, drawn = false + hits, drawn + 4 * DRAWN
                if hits:
                    print(f"  false {one.name:<28} {len(one.probabilities):>6} pages: {wilson(hits, 4 * DRAWN)}")
    print(f"  false, all human sources         {wilson(false, drawn)}")
    rates: dict[str, list[float]] = defaultdict(list)
    for one in written:
        against = reference.rates(other for other in here if other.human or other.fold != one.fold)
        beside = [human for human in humans if human.fold == one.fold] or humans
        line = []
        for share, name in ((1.0, "all"), (0.5, "half"), (0.25, "quarter")):
            of_model = round(pages * share)
            hits = sum(
                _found(_drawn(draw, one, of_model) + _drawn(draw, human, pages - of_model), against or reference.rates(here), asked)
                for human in beside
            )
            rates[name].append(hits / DRAWN / len(beside))
            line.append(f"{name} {hits / DRAWN / len(beside):.3f}")
        print(f"  found {one.name:<28} {len(one.probabilities):>6} pages: {', '.join(line)}")
    print(
        "  found, mean of sources: "
        + ", ".join(f"{name} {np.mean(found):.3f} (median {np.median(found):.3f})" for name, found in rates.items())
    )
    _shares(here, pages, draw)


def _shares(here: list[Source], pages: int, draw: np.random.Generator) -> None:
    """How good the estimated shares are."""
    for share in (0.0, 0.25, 0.5, 1.0):
        inside, means = [], []
        for one in (one for one in here if not one.human):
            against = reference.rates(other for other in here if other.human or other.fold != one.fold)
            for human in (other for other in here if other.human):
                of_model = round(pages * share)
                for counts in _drawn(draw, one, of_model, 4) + _drawn(draw, human, pages - of_model, 4):
                    found = estimate({"": counts}, {"": against or reference.rates(here)})  # type: ignore[dict-item]
                    inside.append(found.low <= share <= found.high)
                    means.append(found.share)
        print(f"  share {share:4.0%}: interval holds it {wilson(sum(inside), len(inside))}, mean estimate {np.mean(means):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scores", type=Path)
    parser.add_argument("--data", nargs="*", type=Path, default=[])
    parser.add_argument("--licences", default="open")
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--languages", nargs="*")
    parser.add_argument("--more", nargs="*", type=Path, default=[])
    given = parser.parse_args()
    if not given.scores.exists():
        _kept(given.scores, _scored(given.data, given.licences))
    sources = _loaded(given.scores)
    draw = np.random.default_rng(5)
    for language in given.languages or sorted({one.language for one in sources}):
        if len({one.fold for one in sources if one.language == language and one.human}) >= 3:
            of_language(language, sources, given.pages, draw)
    if given.more:
        print(f"human text that no model was trained on, sites of {given.pages} pages")
        for one in _unseen(given.more):
            here = [other for other in sources if other.language == one.language]
            against = reference.rates(here)
            if against is not None:
                hits = _found(_drawn(draw, one, given.pages, 4 * DRAWN), against, _asked(here, given.pages))
                high = float(np.mean(one.probabilities >= 0.9))
                print(
                    f"  false {one.name:<20} {one.language} {len(one.probabilities):>6} pages, {high:.1%} at .9: {wilson(hits, 4 * DRAWN)}"
                )


if __name__ == "__main__":
    main()
