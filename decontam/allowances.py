"""Allowances: findings that are no harm, who says so, and until when."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from decontam.attribution import providers_of
from decontam.rules import Words
from decontam.types import Finding


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Allowance:
    """Findings that are no harm, who says so and until when. All that is given must hold."""

    reason: str
    by: str
    expires: str
    """The last day, YYYY-MM-DD; an expired allowance is ignored, and the run says so."""
    rule: str = "*"
    source: str = "*"
    providers: Words = ()
    values: Words = ()
    """Matched texts, in any case; `sha256:<hex>` stands for one that should not be written down."""
    domains: Words = ()
    """Domains of e-mail addresses and URLs; their subdomains too."""

    def covers(self, finding: Finding, source: str, value: str) -> bool:
        return (
            fnmatchcase(finding.name, self.rule)
            and fnmatchcase(source, self.source)
            and (not self.providers or _all_among(providers_of(finding), self.providers))
            and (not self.values or _listed(value, self.values))
            and (not self.domains or _in_domains(value, self.domains))
        )


def _all_among(providers: Sequence[str], allowed: Sequence[str]) -> bool:
    return bool(providers) and set(providers) <= set(allowed)


def _listed(value: str, listed: Iterable[str]) -> bool:
    low = value.casefold()
    digest = "sha256:" + hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
    return any(entry in (digest, value) or entry.casefold() == low for entry in listed)


def _in_domains(value: str, domains: Iterable[str]) -> bool:
    host = value.rpartition("@")[2].rpartition("//")[2].partition("/")[0].partition(":")[0].casefold().rstrip(".")
    return any(host == domain.casefold() or host.endswith("." + domain.casefold()) for domain in domains)
