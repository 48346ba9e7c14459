"""Sites: how many of a site's pages a language model wrote, from the scores of all of them.

One page is weak evidence; twenty are not. Pages are counted by site, language and bin of score, which adds up however a
run was sharded. What is asked in the end is which share of model-written pages makes these counts most likely, against what human
and model-written text of known origin scores: the histograms of a Reference, which come from models that had not seen their
sources.

A site of an unusual human genre must not be found. So evidence is weighed against the worst human text there is: for every
score, the source that reaches it oftenest (the stochastic envelope of all sources).
"""

from __future__ import annotations

import ipaddress
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from decontam.errors import ArtefactError
from decontam.types import Finding, Record, Span, Strength, Verdict

Array = np.ndarray[Any, Any]

BEFORE = date(2022, 11, 30)
"""A page that was crawled earlier was not written by a chat model: ChatGPT opened on that day."""

BINS = 48
WIDTH = 0.5
"""Bins of scores: so wide, in logits of the calibrated probability, with even odds in the middle; the outermost are open."""

ABSTAINED, EXEMPT = -1, -2
"""What stands in place of a bin for pages that got no score, and for those that were crawled too early to count."""

ANY = "*"
"""The language of pages whose language is not known, and of the reference for languages that have none of their own."""

SCHEMA = 1
_MADE = "`python -m decontam.training.sites` makes it"

FEWEST = 5
"""Scored pages below which nothing is decided."""

STRAY = 0.02
"""Share of a human site's pages that may look as if a model wrote them, whatever its genre; no single page is evidence enough."""

_LANGUAGE = "synthetic/language: "
_SCORED = "synthetic"
_PASSAGE = ".passage"
_REMARK = "synthetic/"
_SMOOTH = 0.5  # of a page, added over all bins of a histogram, so that nothing is impossible


@dataclass(frozen=True, repr=False)
class SiteLists:
    """Sites by name: those whose pages are found as they are, and those on which a weak finding of model-written text counts as strong."""

    block: frozenset[str]
    suspect: frozenset[str]
    revision: str

    def marked(self, record: Record, findings: Iterable[Finding]) -> list[Finding]:
        """The findings of a record, and what the lists say of its site; a page that is known to be older than the models is spared."""
        known = list(findings)
        url = record.meta.get("url")
        site = site_of(url) if url is not None else None
        if site is None or (site not in self.block and site not in self.suspect) or exempt(record):
            return known
        if site in self.suspect:
            known = [
                replace(one, strength=Strength.STRONG, detail={**one.detail, "suspect": site})
                if one.stage == _SCORED and one.strength == Strength.WEAK and not one.rule.endswith(_PASSAGE)
                else one
                for one in known
            ]
        path, text, _ = record.fields[0]
        what, strength = ("blocked", Strength.STRONG) if site in self.block else ("suspect", Strength.WEAK)
        about = Finding(path, "sites", what, self.revision, f"{what.upper()}_SITE", Span(0, len(text)), strength, detail={"site": site})
        return [*known, about]


def read_sites(content: str) -> frozenset[str]:
    """The sites that a list names, one a line; a # begins a remark.

    >>> sorted(read_sites("example.com  # found in May\\nhttps://www.example.org/a"))
    ['example.com', 'example.org']
    """
    lines = (line.partition("#")[0].strip() for line in content.splitlines())
    return frozenset(site for line in lines if line and (site := site_of(line)) is not None)


def bin_of(probability: float) -> int:
    """The bin of a calibrated probability.

    >>> bin_of(0.0), bin_of(0.5), bin_of(1.0)
    (0, 24, 47)
    """
    if not 0 < probability < 1:
        return 0 if probability <= 0 else BINS - 1
    return min(max(math.floor(math.log(probability / (1 - probability)) / WIDTH) + BINS // 2, 0), BINS - 1)


@lru_cache(maxsize=1)
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


@lru_cache(maxsize=1 << 16)
def _registrable(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return str(_suffixes().privatesuffix(host) or host)


def site_of(url: str) -> str | None:
    """The site of a page: its registrable domain by the Public Suffix List; a host that has none, or an address, as it is.

    >>> [site_of(url) for url in ("https://www.news.example.co.uk/a?b", "jane.github.io", "http://[::1]:80/", "mailto:x", "")]
    ['example.co.uk', 'jane.github.io', '::1', None, None]
    """
    try:
        parts = urlsplit(url.strip() if "//" in url[:12] else f"//{url.strip()}")
        host = parts.hostname
    except ValueError:
        return None
    host = (host or "").strip(".")
    if not host or "@" in parts.netloc or (":" not in host and "." not in host) or len(host) > 253 or any(c.isspace() for c in host):
        return None
    return _registrable(host)


def day_of(said: str) -> date | None:
    """The day that a record names: ISO 8601, 20221130123456 as crawls write it, or seconds or milliseconds since 1970.

    >>> [day_of(said) for said in ("2022-11-29T10:00:00Z", "20200131073343", "1577836800", "1577836800000", "May 2020")]
    [datetime.date(2022, 11, 29), datetime.date(2020, 1, 31), datetime.date(2020, 1, 1), datetime.date(2020, 1, 1), None]
    """
    said = said.strip()
    try:
        if said.isdecimal():
            if len(said) in {8, 14}:
                return datetime.strptime(said[:8], "%Y%m%d").date()
            return datetime.fromtimestamp(int(said[:10]), timezone.utc).date() if len(said) in {10, 13} else None
        return date.fromisoformat(said[:10].replace("/", "-"))
    except (ValueError, OverflowError, OSError):
        return None


def exempt(record: Record) -> bool:
    """Whether a page is known to be older than the models, by the dates that the config believes."""
    said = (record.meta.get("crawled"), record.meta.get("dated"))
    return any(day < BEFORE for text in said if text is not None and (day := day_of(text)) is not None)


Key = tuple[str, str, int]
"""Site, language, and bin, ABSTAINED or EXEMPT."""


def page_of(record: Record, verdict: Verdict) -> Key | None:
    """Where a page counts, if the record says which it is and the synthetic stage has looked at it."""
    url = record.meta.get("url")
    score = verdict.scores.get(_SCORED)
    if url is None or (score is None and not any(remark.startswith(_REMARK) for remark in verdict.remarks)):
        return None
    site = site_of(url)
    if site is None:
        return None
    found = EXEMPT if exempt(record) else ABSTAINED if score is None else bin_of(score)
    return site, _language(verdict) if found >= 0 else ANY, found


@dataclass
class Pages:
    """Counts of pages; a commutative sum, like a tally."""

    counts: Counter[Key] = field(default_factory=Counter)

    def add(self, record: Record, verdict: Verdict) -> None:
        """Count a page, if it is one."""
        page = page_of(record, verdict)
        if page is not None:
            self.counts[page] += 1

    def __add__(self, other: Pages) -> Pages:
        return Pages(self.counts + other.counts)

    def rows(self) -> list[dict[str, Any]]:
        """Rows of a table, in order."""
        return [
            {"site": site, "language": language, "bin": found, "pages": pages}
            for (site, language, found), pages in sorted(self.counts.items())
        ]

    def add_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count what a table says."""
        for row in rows:
            self.counts[row["site"], row["language"], row["bin"]] += row["pages"]


def _language(verdict: Verdict) -> str:
    spoken = {remark.removeprefix(_LANGUAGE) for remark in verdict.remarks if remark.startswith(_LANGUAGE)}
    return spoken.pop() if len(spoken) == 1 else ANY


class Histograms(NamedTuple):
    """Pages by source (rows) and bin (columns), of one language: human text, and model-written text."""

    human: Array
    model: Array


def _shares(counts: Array) -> Array:
    """Each row as shares of its pages, smoothed by half a page whose mass falls off as the row's own does."""
    wide = counts + _SMOOTH / counts.shape[1]
    shares: Array = wide / wide.sum(axis=1, keepdims=True)
    return shares


def worst(human: Array) -> Array:
    """The distribution of the worst human text: it reaches every score as often as the source that reaches it oftenest.

    Beyond the last pages of a source nothing is known of it; there, it may reach a score as often as half a page of its own.
    """
    shares = _shares(human)
    beyond: Array = np.cumsum(shares[:, ::-1], axis=1)[:, ::-1].max(axis=0)
    return np.maximum(-np.diff(beyond, append=0.0), 1e-12)


def weakest(model: Array) -> Array:
    """The distribution of model-written text that is hard to see: a quarter of the sources reach each score less often."""
    shares = _shares(model)
    beyond: Array = np.quantile(np.cumsum(shares[:, ::-1], axis=1)[:, ::-1], 0.25, axis=0)
    return np.maximum(-np.diff(beyond, append=0.0), 1e-12)


def ratios(human: Array, model: Array) -> Array:
    """How much oftener model-written pages have each score than human ones, where a higher score never says less.

    Neighbouring bins that disagree with that are taken together: these are the slopes of the concave hull of the ROC curve.
    """
    pools: list[list[float]] = []  # human mass, model mass, bins
    for here, there in zip(human.tolist(), model.tolist(), strict=True):
        pools.append([here, there, 1])
        while len(pools) > 1 and pools[-2][1] * pools[-1][0] >= pools[-1][1] * pools[-2][0]:
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    return np.concatenate([np.full(int(bins), there / here) for here, there, bins in pools])


@dataclass(frozen=True)
class Rates:
    """How much oftener model-written pages of one language have each score: as a rule; than the worst human text; and those that are
    hard to see.

    `asked` is the evidence that a site needs: by the share of human sites that may be found, (scored pages, evidence), ascending.
    """

    usual: Array
    strict: Array
    generous: Array
    asked: Mapping[float, tuple[tuple[int, float], ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, histograms: Histograms, asked: Mapping[float, tuple[tuple[int, float], ...]] | None = None) -> Rates:
        human, model = (_shares(counts).mean(axis=0) for counts in histograms)
        strict = (1 - STRAY) * worst(histograms.human) + STRAY * model
        return cls(ratios(human, model), ratios(strict, model), ratios(human, weakest(histograms.model)), asked or {})

    def evidence(self, pages: int, fpr: float) -> float:
        """What a site of so many scored pages needs; between two sizes that were tried, what the harder of them needs."""
        table = self.asked[fpr]
        below = [at for size, at in table if size <= pages]
        above = [at for size, at in table if size >= pages]
        return max([*below[-1:], *above[:1]])


Reference = Mapping[str, Rates]
"""By language."""


def reference_path(model: str | Path) -> Path:
    """Where the reference of a model lies: beside it."""
    return Path(model).with_suffix(".sites.json")


def read_reference(model: str | Path, name: str) -> Reference:
    """The reference of the model of that name in a file. Raises ArtefactError."""
    path = reference_path(model)
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA or content["model"] != name:
            raise ArtefactError(f"{path}: schema {content['schema']} for {content['model']}, not {SCHEMA} for {name}; {_MADE}")
        return {language: _rates(each) for language, each in content["sites"].items()}
    except OSError as error:
        raise ArtefactError(f"{path}: {error.strerror}; {_MADE}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ArtefactError(f"{path}: no reference for sites; {_MADE}") from None


def _rates(content: Mapping[str, Any]) -> Rates:
    histograms = Histograms(*(np.array(list(content[kind].values()), float) for kind in ("human", "model")))
    if any(counts.shape[1:] != (BINS,) for counts in histograms):
        raise ValueError
    return Rates.of(histograms, {float(rate): tuple((int(n), float(at)) for n, at in table) for rate, table in content["asked"].items()})


def rates_of(reference: Reference) -> list[float]:
    """The shares of human sites to be found that can be asked for."""
    return sorted({rate for rates in reference.values() for rate in rates.asked}, reverse=True)


SHARES = np.concatenate([[0.0], np.geomspace(0.002, 0.02, 9)[:-1], np.linspace(0.02, 1.0, 99)])
_NINETY_FIVE = 3.841  # of chi-squared with one degree of freedom


def log_odds(counts: Array, ratio: Array) -> Array:
    """How much likelier counts by bin are with each of SHARES of model-written pages than with none: twice the logarithm.

    `counts` may have leading dimensions, one for each site; the shares are the last of the result.
    """
    values: Array = 2 * counts @ np.log1p(np.outer(ratio - 1, SHARES))
    return values


class Estimate(NamedTuple):
    """The share of model-written pages with its 95 % interval, and the evidence against there being none."""

    share: float
    low: float
    high: float
    evidence: float


def estimate(counts: Mapping[str, Array], reference: Reference) -> Estimate:
    """What the counts of pages by language and bin say of a site, all of its languages together.

    `share` is the likeliest with human and model-written text as it is as a rule. `low` is the lower end with the worst human text,
    `high` the upper end with model-written text that is hard to see: what is not known of a site's genre widens the interval.
    """
    usual, strict, generous = (np.zeros(len(SHARES)) for _ in range(3))
    for language, seen in counts.items():
        about = reference[language]
        usual += log_odds(seen, about.usual)
        strict += log_odds(seen, about.strict)
        generous += log_odds(seen, about.generous)
    share = float(SHARES[int(usual.argmax())])
    low = float(SHARES[np.flatnonzero(strict >= strict.max() - _NINETY_FIVE)[0]])
    high = float(SHARES[np.flatnonzero(generous >= generous.max() - _NINETY_FIVE)[-1]])
    return Estimate(share, min(low, share), max(high, share), float(strict.max()))


Decision = Literal["model", "not shown", "too few", "not known"]
"""model: more evidence of model-written pages than the stated share of human sites has. not shown: less. too few: fewer than
FEWEST scored pages. not known: scored pages are in languages without a reference."""


class Site(NamedTuple):
    """What a run says of a site."""

    site: str
    pages: int
    scored: int
    abstained: int
    exempt: int
    share: float | None
    low: float | None
    high: float | None
    evidence: float | None
    decision: Decision


def judge(site: str, pages: Mapping[tuple[str, int], int], reference: Reference, fpr: float) -> Site:
    """A site from its pages by language and bin. `fpr` is one of `rates_of` the reference."""
    total, scored, known = sum(pages.values()), 0, 0
    counts: dict[str, Array] = {}
    for (language, where), number in pages.items():
        if where < 0:
            continue
        scored += number
        name = language if language in reference else ANY
        if name in reference:
            known += number
            counts.setdefault(name, np.zeros(BINS))[where] += number
    away = {what: sum(number for (_, found), number in pages.items() if found == what) for what in (ABSTAINED, EXEMPT)}
    about = site, total, scored, away[ABSTAINED], away[EXEMPT]
    if not known:
        return Site(*about, None, None, None, None, "not known" if scored >= FEWEST else "too few")
    found = estimate(counts, reference)
    asked = max(reference[name].evidence(known, fpr) for name in counts)
    decision: Decision = "too few" if known < FEWEST else "model" if found.evidence >= asked else "not shown"
    return Site(*about, *found, decision)
