"""Gathering: the figures of one run or of several together, from tallies (what was read) and findings (what was found in it).

Tokens are an estimate: a quarter of the bytes of the texts as UTF-8.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from decontam.config import load_config
from decontam.errors import DecontamError
from decontam.figures.examples import examples
from decontam.finished import opened
from decontam.folders import Folder
from decontam.policy import Policy, Row
from decontam.queries import Connection, columns_of, connected, paths_of, run, source_of, tables_in
from decontam.report import report
from decontam.tally import OUTCOME, Tally
from decontam.types import Action, Finding, Span, Strength

SCHEMA = 1
BYTES_PER_TOKEN = 4
BINS = 20  # of the scores from 0 to 1
_MOST = 500  # sources and shards that are told one by one
_READERS = 16  # tallies that are read at once
_LOST = ("quarantined", "dropped")

_STRENGTH = "case f.strength when 'conclusive' then 3 when 'strong' then 2 when 'weak' then 1 else 0 end"
_ACTIONS = "case action " + " ".join(f"when '{action.name.lower()}' then '{OUTCOME[action]}'" for action in Action) + " end"
_LENGTH = "case when size is null then null when size = 0 then 0 else length(bin(size)) end"


def gathered(outs: Sequence[str]) -> dict[str, Any]:
    """The figures of runs, as JSON-safe values. Raises InputError where one of them is no run, or DuckDB is not installed."""
    runs = [opened(out) for out in outs]
    results = [result for folder, manifest in runs for result in _results(folder, manifest)]
    failed = {shard: why for _, manifest in runs for shard, why in manifest.get("failed", {}).items()}
    told = report(results, failed, sum(_wall(folder) for folder, _ in runs))
    with tempfile.TemporaryDirectory() as spill:
        db = connected()
        db.execute(f"set temp_directory = '{spill}'")
        db.execute("set memory_limit = '2GB'")
        _seen(db, runs)
        rules = _rules(db)
        figures = {
            "schema": SCHEMA,
            "runs": [_about(folder, manifest) for folder, manifest in runs],
            **{name: told[name] for name in ("balanced", "shards", "tally", "problems", "unscreened", "reencoded", "seconds")},
            "skipped": [skip for _, manifest in runs for skip in manifest.get("skipped", ())],
            "rules": rules,
            "sources": _sources(db, results),
            "worst": _worst(results),
            "languages": _by(db, "language"),
            "lengths": _lengths(db, told["tally"]["lengths"]),
            "scores": _scores(db, runs),
            "policy": _policy(db, runs),
            "tokens": _tokens(db),
        }
        db.close()
    figures["examples"] = examples(runs, [rule["name"] for rule in rules])
    return figures


def _results(folder: Folder, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the tallies of a run hold; shards without one are not finished."""

    def read(shard: str) -> dict[str, Any] | None:
        content = folder.read(f"tallies/{shard}.json")
        return None if content is None else orjson.loads(content)

    with ThreadPoolExecutor(_READERS if folder.remote else 1) as pool:
        return [result for result in pool.map(read, manifest["shards"]) if result is not None]


def _wall(folder: Folder) -> float:
    content = folder.read("report.json")
    return float(orjson.loads(content)["seconds"]["wall"]) if content else 0.0


def _about(folder: Folder, manifest: Mapping[str, Any]) -> dict[str, Any]:
    names = ("state", "began", "ended", "decontam", "fingerprint")
    return {"out": folder.root, **{name: manifest.get(name) for name in names}, "shards": len(manifest["shards"])}


def _seen(db: Connection, runs: Iterable[tuple[Folder, Mapping[str, Any]]]) -> None:
    """A table of all records with findings; it goes to disk where memory does not hold it."""
    db.execute("""create table seen (shard varchar, outcome varchar, size bigint, text_bytes bigint, language varchar, cut bigint, scores
        struct(stage varchar, score double)[],
        found struct(stage varchar, rule varchar, kind varchar, provider varchar, strength integer, score double)[])""")
    for folder, manifest in runs:
        shards = tables_in(folder, manifest, "findings")
        paths = paths_of(db, folder, "findings", shards)
        if not paths:
            continue
        db.execute("create or replace temp table named as select unnest($paths) as filename, unnest($shards) as shard",
                   {"paths": [folder.path(f"findings/{shard}.parquet") for shard in shards], "shards": shards})  # fmt: skip
        there = columns_of(db, paths[:1])
        measures = ", ".join(name if name in there else f"null as {name}" for name in ("size", "text_bytes", "language"))
        query = f"""insert into seen select shard, {_ACTIONS}, {measures},
            list_sum(list_transform(redactions, lambda r: r."end" - r.start)), scores,
            list_transform(findings, lambda f: {{'stage': f.stage, 'rule': f.stage || '/' || f.rule, 'kind': f.kind, 'provider': f.provider,
                'strength': {_STRENGTH}, 'score': f.score}})
            from read_parquet($paths, filename = true) join named using (filename)"""
        run(db, query, {"paths": paths})
    db.execute("""create table leads as select shard, outcome, text_bytes, cut,
        list_reduce(found, lambda a, b: if((a.strength, a.score, a.rule) >= (b.strength, b.score, b.rule), a, b)) as lead from seen
        where len(found) > 0""")


def _dicts(done: Any) -> list[dict[str, Any]]:
    names = [column[0] for column in done.description]
    return [dict(zip(names, row, strict=True)) for row in done.fetchall()]


def _rules(db: Connection) -> list[dict[str, Any]]:
    """Each rule: records and findings, mentions among them, what became of the records, the tokens of those that it took out."""
    rules: dict[str, dict[str, Any]] = {}
    query = """select rule, any_value(stage) as stage, any_value(kind) as kind, count(*) as findings,
        count(*) filter (where strength = 0) as mentions,
        list(distinct provider order by provider) filter (where provider is not null) as providers
        from (select unnest(found, recursive := true) from seen) group by rule"""
    for row in _dicts(db.execute(query)):
        name = row.pop("rule")
        rules[name] = {"name": name, **row, "providers": row["providers"] or [], "records": 0, "outcomes": {}, "lost_tokens": 0}
    query = """select rule, outcome, count(*) as records from
        (select outcome, unnest(list_distinct(list_transform(found, lambda f: f.rule))) as rule from seen) group by all"""
    for row in _dicts(db.execute(query)):
        rules[row["rule"]]["outcomes"][row["outcome"]] = row["records"]
        rules[row["rule"]]["records"] += row["records"]
    for name, tokens in db.execute(f"select lead.rule, {_tokens_of()} from leads group by 1").fetchall():
        rules[name]["lost_tokens"] = tokens
    return sorted(rules.values(), key=lambda rule: (-rule["records"], rule["name"]))


def _tokens_of() -> str:
    taken = ", ".join(f"'{outcome}'" for outcome in _LOST)
    return f"""(coalesce(sum(text_bytes) filter (where outcome in ({taken})), 0)
        + coalesce(sum(cut) filter (where outcome = 'redacted'), 0))::bigint // {BYTES_PER_TOKEN}"""


def _tokens(db: Connection) -> list[dict[str, Any]]:
    """Tokens lost by the stage of the weightiest finding and by what became of the record."""
    return _dicts(
        db.execute(f"select lead.stage as stage, outcome, {_tokens_of()} as tokens from leads group by all having tokens > 0 order by all")
    )


def _by(db: Connection, column: str) -> list[dict[str, Any]]:
    """Records with findings by a column: how many in all, by stage, by outcome."""
    told: dict[str, dict[str, Any]] = {}
    query = f"""select coalesce({column}, '(unknown)') as value, outcome, count(*) as records from seen group by all"""
    for row in _dicts(db.execute(query)):
        entry = told.setdefault(row["value"], {"value": row["value"], "records": 0, "outcomes": {}, "stages": {}})
        entry["records"] += row["records"]
        entry["outcomes"][row["outcome"]] = row["records"]
    query = f"""select coalesce({column}, '(unknown)') as value, stage, count(*) as records from
        (select {column}, unnest(list_distinct(list_transform(found, lambda f: f.stage))) as stage from seen) group by all"""
    for row in _dicts(db.execute(query)):
        told[row["value"]]["stages"][row["stage"]] = row["records"]
    return sorted(told.values(), key=lambda entry: (-entry["records"], entry["value"]))


def _lengths(db: Connection, lengths: Mapping[str, int]) -> list[dict[str, Any]]:
    """Records, and records with findings, by length in bytes; each class reaches to twice the beginning of the one before."""
    found = dict(db.execute(f"select {_LENGTH} as power, count(*) from seen where size is not null group by 1").fetchall())
    powers = sorted({*map(int, lengths), *found})
    return [
        {"from": 1 << (power - 1) if power else 0, "below": 1 << power, "records": lengths.get(str(power), 0), "found": found.get(power, 0)}
        for power in powers
    ]


def _sources(db: Connection, results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each source: what was read, what became of it, bytes and tokens lost, and by which stages."""
    totals: dict[str, Tally] = defaultdict(Tally)
    shards: Counter[str] = Counter()
    for result in results:
        source = source_of(result["input"]["name"])
        totals[source] += Tally.from_dict(result["tally"])
        shards[source] += 1
    tokens: Counter[str] = Counter()
    for shard, many in db.execute(f"select shard, {_tokens_of()} from leads group by 1").fetchall():
        tokens[source_of(shard)] += many
    told = [
        {
            "source": source,
            "shards": shards[source],
            "records": tally.records,
            "bytes": tally.bytes,
            "outcomes": dict(tally.outcomes),
            "stages": dict(tally.stages),
            "lost_bytes": sum(tally.sizes[outcome] for outcome in _LOST),
            "lost_tokens": tokens[source],
        }
        for source, tally in totals.items()
    ]
    return sorted(told, key=_largest)[:_MOST]


def _largest(entry: Mapping[str, Any]) -> tuple[int, str]:
    return -entry["records"], entry["source"]


def _worst(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The shards of which most was taken out, by share."""
    told = []
    for result in results:
        tally = result["tally"]
        lost = sum(tally["outcomes"].get(outcome, 0) for outcome in (*_LOST, "errored"))
        if lost:
            told.append({"shard": result["input"]["name"], "records": tally["records"], "outcomes": tally["outcomes"], "lost": lost})
    return sorted(told, key=lambda entry: (-entry["lost"] / entry["records"], -entry["lost"], entry["shard"]))[:50]


def _scores(db: Connection, runs: Iterable[tuple[Folder, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """How the scores of each stage are distributed, in `BINS` equal classes, and where its thresholds are.

    Findings count by their own score, and records by the score of a stage where it gives one to all.
    """
    bins: dict[str, list[int]] = {}
    query = f"""with scored as (select stage, score from (select unnest(found, recursive := true) from seen)
            union all select stage, score from (select unnest(scores, recursive := true) from seen))
        select stage, least(greatest(floor(score * {BINS}), 0), {BINS - 1})::integer as bin, count(*) as many from scored
        where score is not null group by all"""
    for stage, bin, many in db.execute(query).fetchall():
        bins.setdefault(stage, [0] * BINS)[bin] = many
    marks: dict[str, set[float]] = {}
    for _, manifest in runs:
        for stage, options in manifest["config"]["stages"].items():
            marks.setdefault(stage, set()).update(_thresholds(options.get("options") or {}))
    return [{"stage": stage, "bins": bins[stage], "thresholds": sorted(marks.get(stage, ()))} for stage in sorted(bins)]


def _thresholds(options: Any, named: bool = False) -> Iterable[float]:
    """Numbers from 0 to 1 under a key that speaks of a threshold."""
    if isinstance(options, Mapping):
        for key, value in options.items():
            yield from _thresholds(value, named or "threshold" in str(key))
    elif named and isinstance(options, (int, float)) and not isinstance(options, bool) and 0 <= options <= 1:
        yield float(options)


def _policy(db: Connection, runs: Sequence[tuple[Folder, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Records and tokens lost by the row of the policy that fits the weightiest finding of a record.

    Empty for several runs whose policies differ.
    """
    policies = {orjson.dumps(manifest["config"]["policy"], option=orjson.OPT_SORT_KEYS) for _, manifest in runs}
    try:
        policy = load_config(None, runs[0][1]["config"]).policy if len(policies) == 1 else None
    except DecontamError:  # of another version
        policy = None
    if policy is None:
        return []
    shard = "shard" if any(row.source != "*" for row in policy.actions) else "''"
    query = f"""select lead, {shard} as shard, outcome, count(*) as records, {_tokens_of()} as tokens from leads
        where outcome != 'kept' group by all"""
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for lead, source, outcome, records, tokens in db.execute(query).fetchall():
        row = _described(policy, lead, source)
        entry = told.setdefault((row, outcome), {"row": row, "outcome": outcome, "records": 0, "tokens": 0})
        entry["records"] += records
        entry["tokens"] += tokens
    return sorted(told.values(), key=lambda entry: (-entry["tokens"], -entry["records"], entry["row"], entry["outcome"]))


def _described(policy: Policy, lead: Mapping[str, Any], source: str) -> str:
    stage, _, rule = lead["rule"].partition("/")
    finding = Finding("", stage, rule, "", lead["kind"], Span(0, 0), Strength(lead["strength"]), lead["score"], lead["provider"])
    return _words(policy.row(finding, source)) if lead["strength"] else "mentions"


def _words(row: Row) -> str:
    """A row of the policy as it would be written.

    >>> _words(Row(action=Action.REDACT, rule="pii/*", strength=Strength.STRONG))
    'rule: pii/*, strength: strong, action: redact'
    """
    given = {name: getattr(row, name) for name in ("rule", "kind", "provider", "source")}
    words = [f"{name}: {value}" for name, value in given.items() if value != "*"]
    if row.strength:
        words.append(f"strength: {row.strength.name.lower()}")
    return ", ".join([*words, f"action: {row.action.name.lower()}"])
