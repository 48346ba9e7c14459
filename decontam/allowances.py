"""Allowances: findings that are no harm, who says so, and until when."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from fnmatch import fnmatchcase

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from decontam.attribution import providers_of
from decontam.errors import ConfigError
from decontam.keys import Key
from decontam.rules import Words
from decontam.types import Finding, Record


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
    records: str = ""
    """A file of records that reviewers gave back, as `decontam quarantine release` writes it: of each, what was found in it then."""

    def fits(self, finding: Finding, source: str) -> bool:
        """Whether all holds that can be told without the matched text."""
        return (
            fnmatchcase(finding.name, self.rule)
            and fnmatchcase(source, self.source)
            and (not self.providers or _all_among(providers_of(finding), self.providers))
        )

    def covers(self, finding: Finding, source: str, value: str) -> bool:
        return (
            self.fits(finding, source)
            and (not self.values or _listed(value, self.values))
            and (not self.domains or _in_domains(value, self.domains))
            and (not self.records or self.records in finding.detail.get("listed", ()))
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


_HEAD = "# decontam records 1"


def content_hash(record: Record, key: Key) -> str:
    """The 32 hexadecimal digits by which a list knows a record: its texts and where they stand, by HMAC-SHA-256."""
    return key.digest("record", *(part for path, text, _ in record.fields for part in (path, text))).hex()[:32]


@plain_dataclass(frozen=True, repr=False)
class RecordList:
    """Records that were judged to be no harm: by content, and what was found in each of them. What is found since counts.

    A list is keyed: with the key of the run that wrote it, or, where that had none, with a secret of its own that stands in its
    first line. Whoever has that line can tell whether a text that he has is on the list.
    """

    path: str
    key: Key
    rules: Mapping[str, frozenset[str]]

    def marked(self, record: Record, findings: Iterable[Finding]) -> list[Finding]:
        """The findings, saying of those that were judged that they are listed here."""
        known = self.rules.get(content_hash(record, self.key), frozenset())
        return [
            replace(finding, detail={**finding.detail, "listed": [*finding.detail.get("listed", ()), self.path]})
            if finding.name in known
            else finding
            for finding in findings
        ]


def written(key: Key, secret: str | None, rules: Mapping[str, Iterable[str]]) -> str:
    """A list as text; `secret` is the key itself where the list has to hold it."""
    head = f"{_HEAD} key {key.id}" if secret is None else f"{_HEAD} secret {secret}"
    return "".join(f"{line}\n" for line in (head, *(f"{known} {','.join(sorted(found))}" for known, found in sorted(rules.items()))))


def read_list(path: str, content: str, key: Key | None) -> RecordList:
    """The list in a text. `key` is that of the config. Raises ConfigError where it is none, or of another key."""
    head, *lines = content.splitlines() or [""]
    said = head.removeprefix(_HEAD).split()
    if not head.startswith(_HEAD) or len(said) != 2:
        raise ConfigError(f"policy.allow: records: {path} is no list that decontam quarantine release wrote")
    if said[0] == "secret":
        key = Key(said[1].encode())
    elif key is None or key.id != said[1]:
        have = "there is none" if key is None else f"this is {key.id}"
        raise ConfigError(f"policy.allow: records: {path} was written with the key {said[1]}, {have}; name that one in policy.key")
    rules = {known: frozenset(found.split(",")) for known, _, found in (line.partition(" ") for line in lines)}
    return RecordList(path, key, rules)
