"""Terminal: figures as tables of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from decontam.errors import printable
from decontam.tally import OUTCOMES

_SHOWN = 15
_NAMES = 42  # characters


def tables(now: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """What became of records, rules, sources, providers, languages; with `before`, how they differ from it. Rich tables."""
    from rich.table import Table

    def table(first: str, *others: str) -> Table:
        made = Table(box=None, pad_edge=False, header_style="bold")
        made.add_column(first, overflow="fold", min_width=_NAMES)
        for name in others:
            made.add_column(name, justify="right")
        return made

    change = ("change",) if before else ()
    records = now["tally"]["records"] or 1

    def line(made: Table, name: str, many: int, was: int, *more: str) -> None:
        made.add_row(printable(name), f"{many:,}", *([f"{many - was:+,}"] if before else []), f"{many / records:.2%}", *more)

    def tallied(what: str) -> Mapping[str, int]:
        return before["tally"][what] if before else {}

    became = table("records", "", *change, "share")
    for name in OUTCOMES:
        if now["tally"]["outcomes"].get(name) or tallied("outcomes").get(name):
            line(became, name, now["tally"]["outcomes"].get(name, 0), tallied("outcomes").get(name, 0))
    yield became
    rules = table("stage/rule", "records", *change, "share", "findings", "redacted", "taken out", "tokens lost")
    known = {rule["name"]: rule for rule in now["rules"]}
    earlier = {rule["name"]: rule["records"] for rule in before["rules"]} if before else {}
    names = sorted({*known, *earlier}, key=lambda name: (-_weight(known, earlier, name, bool(before)), name))
    for name in names[:_SHOWN]:
        rule = known.get(name, {"records": 0, "findings": 0, "outcomes": {}, "lost_tokens": 0})
        taken = sum(rule["outcomes"].get(outcome, 0) for outcome in ("quarantined", "dropped"))
        more = f"{rule['findings']:,}", f"{rule['outcomes'].get('redacted', 0):,}", f"{taken:,}", f"{rule['lost_tokens']:,}"
        line(rules, name, rule["records"], earlier.get(name, 0), *more)
    yield rules
    sources = table("source", "records", "bytes", *OUTCOMES[1:], "lost")
    for source in now["sources"][:_SHOWN]:
        counts = [f"{source['outcomes'].get(name, 0):,}" for name in OUTCOMES[1:]]
        lost = f"{source['lost_bytes'] / (source['bytes'] or 1):.2%}"
        sources.add_row(printable(source["source"]), f"{source['records']:,}", f"{source['bytes']:,}", *counts, lost)
    yield sources
    for what in ("providers", "kinds"):
        found = now["tally"][what]
        made = table(what.removesuffix("s"), "records", *change, "share")
        for name in sorted({*found, *tallied(what)}, key=lambda name: (-found.get(name, 0), name))[:_SHOWN]:
            line(made, name, found.get(name, 0), tallied(what).get(name, 0))
        if made.row_count:
            yield made


def _weight(known: Mapping[str, Any], earlier: Mapping[str, int], name: str, compared: bool) -> int:
    """What puts a rule on top: how many records it found or, where runs are compared, how many more or fewer."""
    many = known[name]["records"] if name in known else 0
    return abs(many - earlier.get(name, 0)) if compared else int(many)


def notes(now: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of the tables should know."""
    for run in now["runs"]:
        if run["state"] != "done":
            yield f"{run['out']}: the run is not done ({run['state']})"
    if not now["balanced"]:
        yield "the books do not balance"
    if now["problems"]:
        names = list(now["problems"])
        yield f"not screened: {len(names):,} shards failed: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
    if now["unscreened"]:
        yield f"not screened: columns {', '.join(now['unscreened'][:12])}{' ...' if len(now['unscreened']) > 12 else ''}"
    if now["skipped"]:
        yield f"not screened: {len(now['skipped']):,} files that are no shards"
