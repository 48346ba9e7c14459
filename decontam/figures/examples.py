"""Examples: what finds look like, without what they are: every letter an x, every digit a 0, and so is what stands around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from decontam.errors import DecontamError
from decontam.folders import Folder
from decontam.quarantine.records import Held, Records
from decontam.queries import connected, paths_of, tables_in
from decontam.redaction import masked
from decontam.types import Finding

_RULES = 60  # that have examples
_EACH = 2
_AROUND = 24  # characters on each side
_LONGEST = 60  # characters of a find
_TABLES = 200  # that are looked through
_ROWS = 50_000


def examples(runs: Sequence[tuple[Folder, Mapping[str, Any]]], rules: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Some finds of each rule among the records that were taken out; none where the runs kept no originals."""
    told: dict[str, list[dict[str, Any]]] = {}
    wanted = list(rules[:_RULES])
    for folder, manifest in runs:
        records = Records(folder, manifest)
        for name, shard, held in _records(folder, manifest, records, wanted):
            finding = next((each for each in held.findings if each.name == name), None)
            here = told.setdefault(name, [])
            if finding is not None and len(here) < _EACH and (shown := _shown(held, finding)):
                here.append({"shard": shard, "row": held.row, **shown})
        wanted = [name for name in wanted if len(told.get(name, ())) < _EACH]
    return {name: found for name, found in told.items() if found}


def _records(folder: Folder, manifest: Mapping[str, Any], records: Records, rules: Sequence[str]) -> list[tuple[str, str, Held]]:
    """A few records for each rule; tables that cannot be read have none."""
    import duckdb

    shards = tables_in(folder, manifest, "quarantine")[:_TABLES]
    db = connected()
    paths = paths_of(db, folder, "quarantine", shards)
    if not paths or not rules:
        return []
    query = f"""select rule, shard, position from (select shard, position, rule,
            row_number() over (partition by rule order by shard, position) as place from
            (select source as shard, file_row_number as position,
                unnest(list_distinct(list_transform(findings, lambda f: f.stage || '/' || f.rule))) as rule
                from (select * from read_parquet($paths, file_row_number = true) limit {_ROWS}))
            where rule in (select unnest($rules))) where place <= {_EACH} order by shard, position"""
    try:
        spots = db.execute(query, {"paths": paths, "rules": list(rules)}).fetchall()
    except duckdb.Error:
        return []
    finally:
        db.close()
    found = []
    for shard, group in groupby(spots, lambda spot: spot[1]):
        here = list(group)
        positions = sorted({position for _, _, position in here})
        try:
            held = dict(zip(positions, records.read_all(shard, positions), strict=True))
        except DecontamError:
            continue
        found += [(rule, shard, held[position]) for rule, _, position in here]
    return found


def _shown(held: Held, finding: Finding) -> dict[str, str] | None:
    text = next((text.text for text in held.texts if text.path == finding.field), None)
    if text is None:
        return None
    start, end = finding.span
    value = text[start:end]
    shown = masked(value) if len(value) <= _LONGEST else f"{masked(value[: _LONGEST // 2])} … {masked(value[-_LONGEST // 2 :])}"
    return {"before": masked(text[max(0, start - _AROUND) : start]), "find": shown, "after": masked(text[end : end + _AROUND])}
