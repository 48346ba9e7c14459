"""Sites in a Beam pipeline: the pages of each added up, and what they say together.

kept, quarantined, findings, errors, pages = documents | DecontaminatePages()
sites = pages | JudgeSites()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import apache_beam as beam
from apache_beam.pvalue import PCollection

from decontam.adapters.beam_rows import Counted, Judged
from decontam.census import as_row, reference_of
from decontam.config import Config, load_config
from decontam.errors import ConfigError
from decontam.sites import judge, rates_of


class AddSites(beam.PTransform):
    """`Counted` pages added up by site, language and bin: the rows that a run has in its tables `sites/`."""

    def expand(self, pages: PCollection) -> PCollection:
        keyed = pages | "Key" >> beam.Map(lambda row: ((row.site, row.language, row.bin), row.pages))
        return keyed | "Add" >> beam.CombinePerKey(sum) | "Row" >> beam.MapTuple(_counted).with_output_types(Counted)


class JudgeSites(beam.PTransform):
    """`Counted` pages to `Judged` sites, one for each site and window: as `decontam sites` judges the runs over the same documents.

    `config` is that of DecontaminatePages, whose model says what scores mean. `fpr` is the share of sites that people wrote which
    may be found. Pages may be those of several pipelines and runs (their tables `sites/`), so long as all had the same model.

    Raises ConfigError, ArtefactError.
    """

    def __init__(self, config: str | Config | None = None, fpr: float = 0.002) -> None:
        super().__init__()
        self._reference = reference_of(config if isinstance(config, Config) else load_config(config))
        if fpr not in rates_of(self._reference):
            raise ConfigError(f"fpr={fpr:g}: is one of {', '.join(f'{rate:g}' for rate in rates_of(self._reference))}")
        self._fpr = fpr

    def expand(self, pages: PCollection) -> PCollection:
        by_site = pages | AddSites() | "By site" >> beam.Map(lambda row: (row.site, (row.language, row.bin, row.pages))) | beam.GroupByKey()
        return by_site | "Judge" >> beam.MapTuple(self._judged).with_output_types(Judged)

    def _judged(self, site: str, rows: Iterable[tuple[str, int, int]]) -> Judged:
        counts = Counter({(language, where): number for language, where, number in rows})
        return Judged(**as_row(judge(site, counts, self._reference, self._fpr)))


def _counted(key: tuple[str, str, int], pages: int) -> Counted:
    site, language, where = key
    return Counted(site, language, where, pages)
