"""Index: what is in a quarantine, in memory, without the texts: a million records are found, filtered and counted in a moment.

Records have numbers, from 0 on, in the order of shards and rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from decontam.finished import opened
from decontam.folders import Folder
from decontam.quarantine.verdicts import Event
from decontam.queries import Connection, columns_of, connected, paths_of, source_of, tables_in

DIMENSIONS = ("stage", "rule", "provider", "source", "verdict")
"""What records can be filtered and counted by."""

_STRENGTH = "case f.strength when 'conclusive' then 3 when 'strong' then 2 when 'weak' then 1 else 0 end::utinyint"
_NUMBERED = "(row_number() over () - 1)::integer as n"
_OPEN = "open"
_FLAGS = {
    frozenset({"stage"}): "first_of_stage",
    frozenset({"provider"}): "first_of_provider",
    frozenset({"stage", "provider"}): "first_of_both",
}
_MOST = 300  # values of one dimension that are counted


class Spot(NamedTuple):
    """Where a record is: `row` of `shard`, and `position` in that shard's table of the quarantine."""

    number: int
    shard: str
    row: int
    position: int


@dataclass(frozen=True)
class Filter:
    """What a record must be, and have one finding that is. None asks for nothing; scores are inclusive."""

    stage: str | None = None
    rule: str | None = None
    provider: str | None = None
    source: str | None = None
    verdict: str | None = None
    """confirm, release, unsure, released, expired, or `open`: nobody has judged it."""
    least: float | None = None
    most: float | None = None

    def without(self, dimension: str) -> Filter:
        return Filter(**{**self.__dict__, dimension: None})

    def conditions(self) -> tuple[list[str], dict[str, Any]]:
        """What one row of `found` must be, as SQL and its values; without any, nothing is asked for."""
        operators = {"least": "score >= $least", "most": "score <= $most", "verdict": "n in (select n from said where verdict = $verdict)"}
        given = {name: value for name, value in self.__dict__.items() if value is not None}
        said = [operators.get(name, f"{name} = ${name}") for name in given]
        if self.verdict == _OPEN:
            said[list(given).index("verdict")] = "n not in (select n from said)"
            del given["verdict"]
        return said, given

    @property
    def asks(self) -> set[str]:
        """What is asked for."""
        return {name for name, value in self.__dict__.items() if value is not None}


class Index:
    """The quarantine of a run. Raises InputError where there is none, or DuckDB is not installed.

    It is built in the background, from the first moment on the first page is there. Every method may be called from any thread.
    """

    def __init__(self, out: str) -> None:
        self.folder: Folder
        self.folder, self.manifest = opened(out)
        self.shards = tables_in(self.folder, self.manifest, "quarantine")
        self._db = connected()
        self._paths = paths_of(self._db, self.folder, "quarantine", self.shards)
        self._has = columns_of(self._db, self._paths[:1]) if self._paths else set()
        self._built = threading.Event()
        self._error: BaseException | None = None
        self._writing = threading.Lock()
        self.count = 0
        self._totals: dict[str, list[tuple[str, int]]] = {}

    def build(self) -> Index:
        """Build it now; a second call waits for the first."""
        with self._writing:
            if not self._built.is_set():
                try:
                    self._build(self._db.cursor())
                except BaseException as error:
                    self._error = error
                    raise
                finally:
                    self._built.set()
        return self

    @property
    def built(self) -> bool:
        return self._built.is_set()

    def wait(self) -> None:
        """Wait until it is built. Raises what building it raised."""
        self._built.wait()
        if self._error is not None:
            raise self._error

    def _ready(self) -> Connection:
        self.wait()
        return self._db.cursor()

    def _columns(self) -> str:
        size = "size" if "size" in self._has else "null::bigint as size"
        return f"source as shard, row, file_row_number::integer as position, id, {size}"

    def _build(self, db: Connection) -> None:
        db.execute("create table said (n integer primary key, verdict varchar)")
        db.execute("create table sources (shard varchar, source varchar)")
        if self._paths:
            given = {"paths": self._paths}
            columns = f"{_NUMBERED}, {self._columns()}"
            db.execute(f"create table raw as select {columns} from read_parquet($paths, file_row_number = true)", given)
            shards = [row[0] for row in db.execute("select distinct shard from raw").fetchall()]
            db.executemany("insert into sources values (?, ?)", [(shard, source_of(shard)) for shard in shards])
            db.execute(f"""create table single as
                with numbered as (select {_NUMBERED}, findings from read_parquet($paths))
                select n, f.stage::varchar as stage, f.stage || '/' || f.rule as rule, f.provider as provider, f.score as score,
                    {_STRENGTH} as strength from (select n, unnest(findings) as f from numbered)""", given)  # fmt: skip
        else:
            db.execute("create table raw (n integer, shard varchar, row bigint, position integer, id varchar, size bigint)")
            db.execute("create table single (n integer, stage varchar, rule varchar, provider varchar, score double, strength utinyint)")
        for name, table in (("stage", "single"), ("rule", "single"), ("provider", "single"), ("shard", "sources"), ("source", "sources")):
            known = [row[0] for row in db.execute(f"select distinct {name} from {table} where {name} is not null").fetchall()]
            db.execute(f"create type {name}_name as enum (select unnest($known::varchar[]))", {"known": sorted(known) or [""]})
        db.execute("""create table records as select n, shard::shard_name as shard, row, position, id, size, source::source_name as source
            from raw join sources using (shard) order by n""")
        # The flags mark one row for each stage of a record, each provider, each pair, so that nothing need be told apart to be counted.
        db.execute("""create table found as
            with merged as (select n, stage::stage_name as stage, rule::rule_name as rule, max(provider)::provider_name as provider,
                max(score) as score, max(strength) as strength from single group by n, stage, rule)
            select m.*, r.source, row_number() over (partition by n, m.stage order by rule) = 1 as first_of_stage,
                row_number() over (partition by n, provider order by rule) = 1 as first_of_provider,
                row_number() over (partition by n, m.stage, provider order by rule) = 1 as first_of_both
            from merged m join records r using (n) order by n""")
        db.execute("drop table single")
        db.execute("drop table raw")
        db.execute("""create table leads as select n, arg_max(rule, (strength, score, rule::varchar)) as rule,
            arg_max(stage, (strength, score, rule::varchar)) as stage,
            arg_max(coalesce(provider::varchar, ''), (strength, score, rule::varchar)) as provider from found group by n""")
        self._count(db)

    def _count(self, db: Connection) -> None:
        self.count = db.execute("select count(*) from records").fetchone()[0]
        self._totals = {name: self._counted(db, Filter(), name) for name in DIMENSIONS if name != "verdict"}

    def restrict(self, numbers: Sequence[int]) -> None:
        """Forget all records but these. To be called before anybody else asks."""
        db = self._ready()
        for table in ("records", "found", "leads"):
            db.execute(f"delete from {table} where n not in (select unnest($numbers))", {"numbers": list(numbers)})
        self._count(db)

    def first(self, limit: int) -> list[dict[str, Any]]:
        """The first records, without waiting for the index."""
        if not self._paths:
            return []
        columns = "n, shard, row, id, size, rules, score, null as verdict"
        query = f"""select {columns} from (select {_NUMBERED}, {self._columns()},
            list_distinct(list_transform(findings, lambda f: f.stage || '/' || f.rule)) as rules,
            list_max(list_transform(findings, lambda f: f.score)) as score
            from (select * from read_parquet($paths, file_row_number = true) limit $limit))"""
        return _rows(self._db.cursor().execute(query, {"paths": self._paths[: limit + 1], "limit": limit}))

    def said(self, verdicts: Mapping[tuple[str, int], Event | None]) -> None:
        """Know the verdicts on records, None where there is none any more."""
        numbers = self.numbers_of(verdicts)
        rows = [(number, event.verdict) for key, number in numbers.items() if (event := verdicts[key])]
        with self._writing:
            db = self._ready()
            db.execute("delete from said where n in (select unnest($numbers))", {"numbers": list(numbers.values())})
            given = {"numbers": [number for number, _ in rows], "verdicts": [verdict for _, verdict in rows]}
            db.execute("insert into said select unnest($numbers::integer[]), unnest($verdicts::varchar[])", given)

    def judged(self) -> dict[str, int]:
        """How many records have which verdict."""
        return dict(self._ready().execute("select verdict, count(*) from said join records using (n) group by 1").fetchall())

    def early(self, number: int) -> Spot | None:
        """Where one of the first records is, without waiting for the index."""
        query = f"""select n, shard, row, position from (select {_NUMBERED}, {self._columns()} from
            (select * from read_parquet($paths, file_row_number = true) limit $limit)) where n = $n"""
        given = {"paths": self._paths[: number + 1], "limit": number + 1, "n": number}
        row = self._db.cursor().execute(query, given).fetchone() if self._paths and number >= 0 else None
        return Spot(*row) if row else None

    def numbers_of(self, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The numbers of records by shard and row; those that are not here are left out."""
        wanted = list(keys)
        if not wanted:
            return {}
        query = """select a.shard, a.row, r.n from (select unnest($shards) as shard, unnest($rows) as row) a
            join records r on r.shard::varchar = a.shard and r.row = a.row"""
        given = {"shards": [shard for shard, _ in wanted], "rows": [row for _, row in wanted]}
        return {(shard, row): n for shard, row, n in self._ready().execute(query, given).fetchall()}

    def page(self, wanted: Filter, after: int = -1, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
        """Records that fit, by number: the first ones after `after`, or the last ones before `before`."""
        conditions, given = wanted.conditions()
        beyond, order = ("n > $at", "n") if before is None else ("n < $at", "n desc")
        given |= {"at": after if before is None else before, "limit": limit}
        table, once = _rows_of(wanted.asks)
        where = " and ".join([*conditions, beyond, once or "true"])
        each = "n" if once else "distinct n"
        query = f"""with here as materialized (select {each} from {table} where {where} order by {order} limit $limit)
            select n, shard::varchar as shard, row, id, size, rules, score, verdict
            from here join records using (n) left join said using (n) left join
                (select n, list(rule::varchar order by strength desc, score desc) as rules, max(score) as score from found
                where n between (select min(n) from here) and (select max(n) from here) and n in (select n from here) group by n)
            using (n) order by n"""
        return _rows(self._ready().execute(query, given))

    def counted(self, wanted: Filter) -> int:
        """How many records fit."""
        db = self._ready()
        asks = wanted.asks
        if not asks:
            return self.count
        if len(asks) == 1 and (name := next(iter(asks))) in self._totals:
            known = dict(self._totals[name])
            if len(known) < _MOST or wanted.__dict__[name] in known:
                return known.get(wanted.__dict__[name], 0)
        conditions, given = wanted.conditions()
        table, once = _rows_of(asks)
        many = "count(*)" if once else "count(distinct n)"
        return int(db.execute(f"select {many} from {table} where {' and '.join([*conditions, once or 'true'])}", given).fetchone()[0])

    def facets(self, wanted: Filter) -> dict[str, list[tuple[str, int]]]:
        """For each dimension its values and how many records have them, of those that fit what is wanted otherwise."""
        db = self._ready()
        found = {}
        for name in DIMENSIONS:
            others = wanted.without(name)
            found[name] = self._totals[name] if not others.asks and name in self._totals else self._counted(db, others, name)
        return found

    def _counted(self, db: Connection, wanted: Filter, name: str) -> list[tuple[str, int]]:
        conditions, given = wanted.conditions()
        table, once = _rows_of({*wanted.asks, name})
        many = "count(*)" if once else "count(distinct n)"
        value = "coalesce(verdict, 'open')" if name == "verdict" else f"{name}::varchar"
        joined = "left join said using (n)" if name == "verdict" else ""
        where = " and ".join([*conditions, f"{value} is not null", once or "true"])
        query = f"""select {value} as value, {many} as many from {table} {joined} where {where}
            group by 1 order by many desc, value limit {_MOST}"""
        return [(value, many) for value, many in db.execute(query, given).fetchall()]

    def spot(self, number: int) -> Spot | None:
        """Where a record is."""
        row = self._ready().execute("select n, shard::varchar, row, position from records where n = ?", [number]).fetchone()
        return Spot(*row) if row else None

    def spots(self, numbers: Sequence[int]) -> list[Spot]:
        """Where records are, in order of their numbers."""
        query = "select n, shard::varchar, row, position from records where n in (select unnest($numbers)) order by n"
        return [Spot(*row) for row in self._ready().execute(query, {"numbers": list(numbers)}).fetchall()]

    def strata(self, by: str) -> dict[str, int]:
        """The strata of a sample and their sizes: each record is in one."""
        return dict(self._ready().execute(f"select {_stratum(by)} as s, count(*) from leads join records using (n) group by s").fetchall())

    def drawn(self, by: str, sizes: Mapping[str, int], seed: int) -> dict[int, str]:
        """As many records of each stratum as `sizes` says, at random, the same for the same seed; their strata by their numbers."""
        query = f"""with strata as (select unnest($names) as s, unnest($sizes) as most), ranked as
                (select n, {_stratum(by)} as s, row_number() over
                    (partition by s order by md5($seed || '/' || shard::varchar || '/' || row), n) as place
                from leads join records using (n))
            select n, s from ranked join strata using (s) where place <= most order by n"""
        given = {"seed": str(seed), "names": list(sizes), "sizes": list(sizes.values())}
        return dict(self._ready().execute(query, given).fetchall())


def _rows_of(tells: set[str]) -> tuple[str, str | None]:
    """The table that can tell these things, and a condition under which it has one row for each record and their values there.

    None where there is no such condition.
    """
    of_findings = frozenset(tells - {"source", "verdict"})
    if not of_findings:
        return "records", "true"
    return "found", "true" if "rule" in of_findings else _FLAGS.get(of_findings)


def _stratum(by: str) -> str:
    column = {"source": "records.source::varchar", "provider": "if(leads.provider = '', '(none)', leads.provider)"}
    return column.get(by, f"leads.{by}::varchar")


def _rows(done: Any) -> list[dict[str, Any]]:
    names = [column[0] for column in done.description]
    return [dict(zip(names, row, strict=True)) for row in done.fetchall()]
