"""Census: the sites of one run or many, from the tables that their shards left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from decontam import finished, model, tables
from decontam.config import Config
from decontam.errors import ArtefactError, ConfigError, InputError
from decontam.finished import Finished
from decontam.scorers import Scorer
from decontam.sites import Reference, Site, judge, read_reference


def opened(outs: Iterable[str]) -> tuple[Finished, ...]:
    """The outputs of runs. Raises InputError where one is none, is not done, or is named twice: its pages would count twice."""
    runs: list[Finished] = []
    for out in outs:
        run = finished.opened(out)
        if run.about.get("state") == "running":
            raise InputError(f"{out}: the run is not done; run its command again to finish it")
        if any(run.folder.root == other.folder.root for other in runs):
            raise InputError(f"{out}: named twice; its pages would count twice")
        runs.append(run)
    return tuple(runs)


def reference_for(runs: Sequence[Finished]) -> Reference:
    """The reference of the model that runs were screened with. Raises InputError where they had none, or different ones."""
    scorers = []
    for run in runs:
        stage = run.config.stages.get("synthetic")
        if stage is None or not stage.enabled:
            raise InputError(f"{run.folder.root}: the synthetic stage was off in that run; pages have no scores")
        scorers.append(Scorer.named(str(stage.options.get("model", "builtin"))))
    digests = {(run.about.get("models") or {}).get("synthetic.model") for run in runs}
    if len(digests) > 1:
        raise InputError("these runs were screened with different models, whose scores do not add up; name runs of one")
    scorer = scorers[0]
    if digests - {None} and digests != {scorer.digest}:
        raise InputError(f"{scorer.path}: is not the model of these runs any more; put back the one with SHA-256 {digests.pop()}")
    return _read(scorer)


def reference_of(config: Config) -> Reference:
    """The reference of the model that a config screens with. Raises ConfigError where it screens without one."""
    stage = config.stages.get("synthetic")
    if stage is None or not stage.enabled:
        raise ConfigError("stages.synthetic is off; without it pages have no scores, and sites cannot be judged")
    return _read(Scorer.named(str(stage.options.get("model", "builtin"))))


def _read(scorer: Scorer) -> Reference:
    if scorer.is_fasttext:
        raise ArtefactError(f"{scorer.path}: there is no reference for sites of fastText models; use a model of n-grams")
    return read_reference(scorer.path, model.opened(scorer.path).name)


def surveyed(runs: Iterable[Finished], reference: Reference, fpr: float) -> Iterator[Site]:
    """Every site, in order of its name, with what all pages of it say together."""
    places = [(run.folder, f"sites/{shard}.parquet") for run in runs for shard in run.shards("sites")]
    rows = (row for batch in tables.summed(places) for row in batch)
    for site, its in groupby(rows, lambda row: row["site"]):
        yield judge(site, Counter({(row["language"], row["bin"]): row["pages"] for row in its}), reference, fpr)


def as_row(site: Site) -> dict[str, Any]:
    """A site as plain values, numbers rounded to what they can bear."""
    rounded = {name: round(value, 4) for name, value in site._asdict().items() if isinstance(value, float)}
    return {**site._asdict(), **rounded}
