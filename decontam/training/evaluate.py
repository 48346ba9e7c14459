"""Evaluate: how good a model is on labelled texts of one's own, with intervals; and plots of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from decontam.calibration import Calibrated
from decontam.training.labelled import Text
from decontam.training.loso import auroc
from decontam.training.thresholds import BANDS, quantile, wilson

_FEWEST = 10  # texts of a label below which no threshold of a group's own is given


class Rate(NamedTuple):
    """Hits of n texts, and the 95 % interval of their share (Wilson)."""

    hits: int
    n: int
    interval: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits / self.n:.2%} [{low:.2%}, {high:.2%}] of {self.n:,}" if self.n else "-"


class Shown(NamedTuple):
    """One group of texts: those with a score, and what became of them at the thresholds that the stage uses."""

    name: str
    auroc: float
    own_weak: float
    own_strong: float
    false_strong: Rate
    false_weak: Rate
    found_strong: Rate
    found_weak: Rate
    abstained: int


def _rate(passed: Sequence[bool]) -> Rate:
    hits = sum(passed)
    return Rate(hits, len(passed), wilson(hits, len(passed)))


def shown(name: str, texts: Sequence[Text], languages: Calibrated) -> Shown:
    """What a group of texts shows. Texts of languages without a calibration count for AUROC and as abstained on."""
    scored = [text for text in texts if text.why is None]
    humans = np.array([text.score for text in scored if text.human])
    models = np.array([text.score for text in scored if not text.human])
    both = len(humans) >= _FEWEST and len(models) >= _FEWEST
    weak, strong = (float((models >= quantile(humans, rate)).mean()) if both else float("nan") for rate in (0.01, 0.001))
    banded = [(text, band) for text in scored if (band := text.band(languages)) is not None]

    def passed(human: bool, strong: bool) -> Rate:
        return _rate([text.score >= (band.strong if strong else band.weak).at for text, band in banded if text.human == human])

    rates = passed(True, True), passed(True, False), passed(False, True), passed(False, False)
    return Shown(name, auroc(humans, models), weak, strong, *rates, len(texts) - len(banded))


def _length(text: Text) -> str:
    below = [edge for edge in BANDS if edge <= text.tokens]
    return f"{below[-1]}+ tokens" if below else "short"


GROUPS: dict[str, Callable[[Text], str]] = {
    "language": lambda text: text.language,
    "length": _length,
    "source": lambda text: text.source,
}


def evaluated(texts: Sequence[Text], languages: Calibrated) -> dict[str, list[Shown]]:
    """All texts, and these by language, length and source."""
    found = {"all": [shown("all", texts, languages)]}
    for name, of in GROUPS.items():
        groups: dict[str, list[Text]] = {}
        for text in texts:
            groups.setdefault(of(text), []).append(text)
        found[name] = [shown(group, members, languages) for group, members in sorted(groups.items())]
    return found


def reliability(texts: Sequence[Text], languages: Calibrated, bins: int = 10) -> list[tuple[float, float, int]]:
    """For each bin of probability: the mean of it, the share that a model wrote, the texts; the two labels count the same in all."""
    pairs = [(band.probability(text.score), text.human) for text in texts if (band := text.band(languages)) is not None]
    human = sum(is_human for _, is_human in pairs)
    worth = {True: 0.5 / max(1, human), False: 0.5 / max(1, len(pairs) - human)}
    rows = []
    for number in range(bins):
        inside = [pair for pair in pairs if min(bins - 1, int(pair[0] * bins)) == number]
        total = sum(worth[is_human] for _, is_human in inside)
        if total:
            mean = sum(worth[is_human] * given for given, is_human in inside) / total
            rows.append((mean, sum(worth[False] for _, is_human in inside if not is_human) / total, len(inside)))
    return rows


def plot(texts: Sequence[Text], languages: Calibrated, folder: Path) -> list[Path]:
    """Draw score distributions and reliability into a folder. Takes matplotlib, of the extra `train`."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    scored = [text for text in texts if text.why is None]
    made: list[tuple[str, Any]] = []
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    edges = np.histogram_bin_edges([text.score for text in scored], 60) if scored else np.linspace(-1, 1, 3)
    for human, name in ((True, "human"), (False, "model-written")):
        scores = [text.score for text in scored if text.human == human]
        axes.hist(scores, bins=edges.tolist(), density=True, alpha=0.6, label=f"{name}, {len(scores):,} texts")
    axes.set_xlabel("raw score")
    axes.set_ylabel("density")
    axes.legend()
    made.append(("scores.svg", figure))
    figure = Figure(figsize=(4.5, 4.5))
    axes = figure.subplots()
    rows = reliability(texts, languages)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot([row[0] for row in rows], [row[1] for row in rows], marker="o")
    axes.set_xlabel("probability that the stage gives")
    axes.set_ylabel("share that a model wrote, labels equal in number")
    made.append(("reliability.svg", figure))
    for name, drawn in made:
        drawn.savefig(folder / name)
    return [folder / name for name, _ in made]
