"""One shard -> kept, quarantine, findings, errors, and a tally that is published last.

The tally is the commit mark: a shard without one was not finished, whatever else of it is there.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import Any

import orjson

from decontam import tables
from decontam.chain import Chain, timed
from decontam.config import Config
from decontam.errors import ShardError
from decontam.files import BLOCK, Digesting, Source, codec_of
from decontam.folders import Folder, unwritten
from decontam.inputs import Shard, unchanged
from decontam.shards import LineWriter, Oversized, Unreadable, layout_of, line_blocks, lines_of
from decontam.tally import Tally
from decontam.types import Action, Record, Verdict

SCHEMA = 1
_LOOKED_AT = 20  # rows of each shard whose other columns are named in the report
Notify = Callable[[Tally, int], None]
"""Called now and then with the tally so far and the bytes of the file read so far."""


class Kept:
    """The kept shard: every line (`all`), only if a line changed (`changed`), or the rows to drop instead (`none`)."""

    def __init__(self, stack: ExitStack, folder: Folder, shard: Shard, mode: str, zstd_level: int) -> None:
        self._stack, self._folder, self._shard, self._mode, self._level = stack, folder, shard, mode, zstd_level
        self._writer: LineWriter | None = None
        self.digest: Digesting | None = None
        self.rows = 0
        self.name = f"kept/{shard.name}"
        self._rows = stack.enter_context(tables.Table(folder, f"dropped/{shard.name}.parquet", tables.dropped_schema))
        self._passed = 0  # lines that went by unchanged, in mode `changed`
        self._blank: list[bytes] = []  # blank lines ahead of the first line that is written, in mode `all`

    def keep(self, line: bytes) -> None:
        """A line that stays as it is."""
        if self._writer is None:
            if self._mode != "all":
                self._passed += 1
                return
            if not line:
                self._blank.append(line)
                return
        self._writing().write(line)

    def change(self, row: int, outcome: str, line: bytes | None = None) -> None:
        """A line that is taken out, or replaced by another one."""
        if self._mode == "none":
            self._rows.add({"row": row, "outcome": outcome})
            return
        if line is not None or self._mode == "changed":
            writer = self._writing()
            if line is not None:
                writer.write(line)

    def _writing(self) -> LineWriter:
        if self._writer is None:
            self.digest = self._stack.enter_context(self._folder.publishing(self.name))
            self._writer = LineWriter(self.digest, codec_of(self.name), self._level)
            for line in self._blank or self._gone_by():
                self._writer.write(line)
        return self._writer

    def _gone_by(self) -> Iterator[bytes]:
        """Nothing had changed so far; the lines that went by are read again."""
        if self._passed:
            with Source(self._shard.path) as source:
                yield from islice(lines_of(source), self._passed)

    def finish(self, tail_gone: bool, cut: bool) -> None:
        """`tail_gone`: what stood behind the last newline was taken out. `cut`: the shard was not read to its end."""
        if cut and self._mode == "changed" and self._passed:
            self._writing()
        if self._writer is not None:
            if tail_gone or cut:
                self._writer.write(b"")
            self._writer.close()

    def outputs(self, source: Source) -> dict[str, dict[str, Any]]:
        """What was written, once everything is published."""
        if self._mode == "changed" and self._writer is None and self.rows:
            self._folder.link_or_copy(self._shard.path, self.name)
            return {self.name: {"size": source.size, "sha256": source.sha256(), "rows": self.rows}}
        if self.digest is not None:
            return {self.name: {"size": self.digest.size, "sha256": self.digest.sha256(), "rows": self.rows}}
        return table_output(self._rows)


def table_output(table: tables.Table) -> dict[str, dict[str, Any]]:
    """Name, size, digest and rows of a table that was published; nothing for one that has no rows."""
    if table.digest is None:
        return {}
    return {table.name: {"size": table.digest.size, "sha256": table.digest.sha256(), "rows": table.rows}}


class ErrorLog:
    """The lines that could not be screened, with their raw bytes; made by the first of them."""

    def __init__(self, stack: ExitStack, folder: Folder, shard: Shard) -> None:
        self._stack, self._folder = stack, folder
        self.name = f"errors/{shard.name}.jsonl"
        self._spilled: dict[str, dict[str, Any]] = {}
        self.digest: Digesting | None = None
        self.rows = 0

    def add(self, source: str, row: int, offset: int, problem: Unreadable, line: bytes | Oversized) -> None:
        if self.digest is None:
            self.digest = self._stack.enter_context(self._folder.publishing(self.name, private=True))
        entry = {"source": source, "row": row, "offset": offset, "reason": problem.reason, "message": problem.message}
        if isinstance(line, Oversized):
            entry["raw_file"] = self._spill(row, line)
        else:
            try:
                entry["raw"] = line.decode()
            except UnicodeDecodeError:
                entry["raw_base64"] = base64.b64encode(line).decode()
        self.digest.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        self.rows += 1

    def _spill(self, row: int, line: Oversized) -> str:
        """A line too long for memory gets a file of its own."""
        name = f"{self.name}.row{row}"
        with self._folder.publishing(name, private=True) as file, line.content:
            while block := line.content.read(BLOCK):
                file.write(block)
        self._spilled[name] = {"size": file.size, "sha256": file.sha256(), "rows": 1}
        return name

    def outputs(self) -> dict[str, dict[str, Any]]:
        if self.digest is None:
            return {}
        return {self.name: {"size": self.digest.size, "sha256": self.digest.sha256(), "rows": self.rows}, **self._spilled}


@dataclass
class Screener:
    """A chain at work on shards. `folder` is where the output goes; None screens without writing."""

    config: Config
    chain: Chain
    folder: Folder | None
    fingerprint: str
    limit: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    _cut: bool = field(default=False, init=False)
    _unscreened: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.chain = timed(self.chain, self.seconds)
        self.layout = layout_of(self.config)

    def screen(self, shard: Shard, notify: Notify = lambda tally, size: None) -> dict[str, Any]:
        """Screen one shard and publish its outputs. The result is what its tally file holds.

        Raises ShardError where the shard cannot be read or the output cannot be written; then nothing is published.
        """
        started = perf_counter()
        self.seconds.update(dict.fromkeys(self.seconds, 0.0))
        self._cut, self._unscreened = False, set()
        tally = Tally()
        try:
            with Source(shard.path) as source:
                outputs = self._screen(shard, source, tally, notify)
                result = self._result(shard, source, tally, outputs)
            result["seconds"] = {"total": perf_counter() - started, **self.seconds}
            if self.folder is not None:
                with self.folder.publishing(f"tallies/{shard.name}.json") as file:
                    file.write(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise ShardError(f"{shard.path}: {unwritten(error)}") from error
        return result

    def _result(self, shard: Shard, source: Source, tally: Tally, outputs: dict[str, Any]) -> dict[str, Any]:
        errored = tally.outcomes["errored"]
        problem = None
        if errored and errored > self.config.input.max_error_rate * tally.records:
            problem = (
                f"{errored:,} of {tally.records:,} records could not be read ({_most(tally.errors)}), "
                f"more than input.max_error_rate {self.config.input.max_error_rate:g} allows; see errors/{shard.name}.jsonl"
            )
        return {
            "schema": SCHEMA,
            "fingerprint": self.fingerprint,
            "input": {
                "path": shard.path,
                "name": shard.name,
                "size": source.size,
                "stamp": shard.stamp,
                "sha256": None if self._cut else source.sha256(),
                "rows": tally.records,
            },
            "problem": problem,
            "unscreened": sorted(self._unscreened),
            "outputs": outputs,
            "tally": tally.to_dict(),
        }

    def _screen(self, shard: Shard, source: Source, tally: Tally, notify: Notify) -> dict[str, Any]:
        if self.folder is None:
            for _ in self._verdicts(shard, source, tally, notify):
                pass
            return {}
        with ExitStack() as stack:
            kept = Kept(stack, self.folder, shard, self.config.output.kept, self.config.output.zstd_level)
            errors = ErrorLog(stack, self.folder, shard)
            findings = stack.enter_context(tables.Table(self.folder, f"findings/{shard.name}.parquet", tables.findings_schema))
            quarantine = stack.enter_context(
                tables.Table(self.folder, f"quarantine/{shard.name}.parquet", tables.quarantine_schema, private=True)
            )
            gone = False
            for row, offset, line, record, verdict in self._verdicts(shard, source, tally, notify):
                gone = False
                if isinstance(record, Unreadable):
                    errors.add(shard.name, row, offset, record, line)
                    kept.change(row, "errored")
                    gone = True
                    continue
                if record is None or verdict is None:  # a blank line
                    kept.keep(line)
                    continue
                if verdict.findings:
                    findings.add(tables.findings_row(record.id, row, verdict))
                if verdict.action <= Action.TAG:
                    kept.keep(line)
                elif verdict.action == Action.REDACT:
                    kept.change(row, "redacted", self.layout.redact(line, verdict.redactions))
                else:
                    gone = True
                    kept.change(row, "quarantined" if verdict.action == Action.QUARANTINE else "dropped")
                    if verdict.action == Action.QUARANTINE:
                        quarantine.add(self._quarantined(record, row, offset, line, verdict), len(line))
            kept.rows = sum(tally.outcomes[name] for name in ("kept", "tagged", "redacted"))
            kept.finish(gone, self._cut)
        return {**kept.outputs(source), **errors.outputs(), **table_output(findings), **table_output(quarantine)}

    def _quarantined(self, record: Record, row: int, offset: int, line: bytes, verdict: Verdict) -> dict[str, Any]:
        held: bytes | None = line
        secrets = [finding for finding in verdict.findings if finding.stage == "secrets" and finding.strength]
        if self.config.quarantine.original == "drop":
            held = None
        elif secrets and self.config.quarantine.secrets == "drop":
            held = self.layout.redact(line, self.chain.policy.redactions(secrets))
        extra = {
            "source": record.meta["source"],
            "offset": offset,
            "record": held.decode() if held else None,
            "exact": held is line,
        }
        return {**tables.findings_row(record.id, row, verdict), **extra}

    def _verdicts(self, shard: Shard, source: Source, tally: Tally, notify: Notify) -> Any:
        """(row, byte offset, line, what it holds, verdict) for every line; blank lines hold None."""
        row = offset = 0
        read, screen, name = self.layout.read, self.chain.screen, shard.name
        most = self.config.input.max_record_bytes
        for lines in unchanged(shard, line_blocks(source, most=most)):
            for line in lines:
                size = line.size if isinstance(line, Oversized) else len(line)
                if isinstance(line, Oversized) or size > most:
                    tally.add_error("too_large", size)
                    yield row, offset, line, Unreadable("too_large", f"{size:,} bytes, input.max_record_bytes is {most:,}"), None
                elif not line or line.isspace():
                    yield row, offset, line, None, None
                else:
                    if tally.records == self.limit:
                        self._cut = True
                        return
                    record = read(line, name, row)
                    if row < _LOOKED_AT:
                        self._unscreened |= self.layout.unscreened(line)
                    verdict = None
                    if not isinstance(record, Unreadable):
                        try:
                            verdict = screen(record)
                            tally.add(verdict, size)
                        except Exception as error:  # noqa: BLE001 - a stage of somebody else's; its message may hold text
                            record = Unreadable("stage_failed", f"a stage raised {type(error).__name__}")
                    if isinstance(record, Unreadable):
                        tally.add_error(record.reason, size)
                    yield row, offset, line, record, verdict
                row += 1
                offset += size + 1
            notify(tally, source.size)


def _most(errors: Any) -> str:
    reason, count = errors.most_common(1)[0]
    return f"mostly {reason}" if count < sum(errors.values()) else reason
