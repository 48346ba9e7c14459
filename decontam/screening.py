"""One shard -> kept, quarantine, findings, errors, and a tally that is published last.

The tally is the commit mark: a shard without one was not finished, whatever else of it is there. A large shard is
screened in parts, each with a mark of its own, so that an interrupted run need not begin it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from time import perf_counter
from typing import Any, NamedTuple

import orjson

from decontam import parts
from decontam.chain import Chain, timed
from decontam.codecs import BLOCK
from decontam.config import Config
from decontam.documents import masks_of
from decontam.errors import ShardError
from decontam.folders import Folder
from decontam.inputs import Shard, unchanged
from decontam.layout import Place, Unreadable, layout_of
from decontam.outputs import Changes, Keeping, Kept, Outputs, names_of, part_names
from decontam.places import unwritten
from decontam.shards import Content, opened
from decontam.since import Since
from decontam.tally import Tally
from decontam.types import Action, Record, Verdict

SCHEMA = 1
_LOOKED_AT = 20  # rows of each shard whose other columns are named in the report
Notify = Callable[[Tally, int], None]
"""Called now and then with the tally so far and the bytes of the file read so far."""


class _Judged(NamedTuple):
    record: Record
    verdict: Verdict
    redacted: Any  # the raw record with its redactions, if that is what becomes of it


class _Nothing:
    """Screening without writing."""

    def keep(self, raw: Any) -> None:
        pass

    def change(self, row: int, outcome: str, raw: Any = None) -> None:
        pass


@dataclass
class Screener:
    """A chain at work on shards. `folder` is where the output goes; None screens without writing."""

    config: Config
    chain: Chain | Since
    folder: Folder | None
    fingerprint: str
    limit: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    _cut: bool = field(default=False, init=False)
    _unscreened: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.chain = self.chain.timed(self.seconds) if isinstance(self.chain, Since) else timed(self.chain, self.seconds)
        self.layout = layout_of(self.config)

    def screen(self, shard: Shard, notify: Notify = lambda tally, size: None) -> dict[str, Any]:
        """Screen one shard and publish its outputs. The result is what its tally file holds, and size and SHA-256 of that (`stored`).

        Raises ShardError where the shard cannot be read or the output cannot be written; then nothing is published on a disk,
        and no tally in an object store.
        """
        started = perf_counter()
        self.seconds.update(dict.fromkeys(self.seconds, 0.0))
        self._cut, self._unscreened = False, set()
        try:
            expected = self.chain.begin(shard.name) if isinstance(self.chain, Since) else None
            with self._opened(shard) as content:
                done = self._in_parts(shard, content, notify)
                with self.folder.together() if self.folder else nullcontext():
                    tally, outputs = self._joined(shard, content, done) if done else self._screen(shard, content, notify)
                    result = self._result(shard, content, tally, outputs)
                    if expected and result["input"]["sha256"] not in {expected, None}:
                        raise ShardError(f"{shard.path}: not what the earlier run kept; decontam verify names what was changed")
                    result["seconds"] = {"total": perf_counter() - started, **self.seconds}
                    if self.folder is not None:
                        with self.folder.publishing(f"tallies/{shard.name}.json") as file:
                            file.write(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
                        result["stored"] = {"sha256": file.sha256(), "size": file.size}
            if self.folder is not None:
                parts.clear(self.folder, shard)
        except OSError as error:
            raise ShardError(f"{shard.path}: {unwritten(error)}") from error
        return result

    def _opened(self, shard: Shard) -> AbstractContextManager[Content]:
        return opened(shard.path, self.layout, shard.name, self.config.input.max_record_bytes)

    def _result(self, shard: Shard, content: Content, tally: Tally, outputs: dict[str, Any]) -> dict[str, Any]:
        errored = tally.outcomes["errored"]
        problem = None
        if errored and errored > self.config.input.max_error_rate * tally.records:
            problem = (
                f"{errored:,} of {tally.records:,} records could not be read ({_most(tally.errors)}), "
                f"more than input.max_error_rate {self.config.input.max_error_rate:g} allows; see errors/{shard.name}.jsonl"
            )
        digest = None if self._cut else content.sha256()
        return {
            "schema": SCHEMA,
            "fingerprint": self.fingerprint,
            "input": {
                "path": shard.path,
                "name": shard.name,
                "size": content.size,
                "stamp": shard.stamp,
                "sha256": digest,
                "rows": tally.records,
            },
            "problem": problem,
            "unscreened": sorted(self._unscreened),
            "reencoded": list(content.reencoded) if f"kept/{shard.name}" in outputs else [],
            "outputs": outputs,
            "tally": tally.to_dict(),
        }

    def _screen(self, shard: Shard, content: Content, notify: Notify) -> tuple[Tally, dict[str, Any]]:
        everything: Callable[[int], bool] = lambda position: True  # noqa: E731
        if self.folder is None:
            return self._look(unchanged(shard, content.places(everything)), content, None, _Nothing(), notify), {}
        with ExitStack() as stack:
            kept = self._kept(stack, self.folder, shard, content)
            into = Outputs(stack, self.folder, shard.name, names_of(shard.name), content, kept)
            tally = self._look(unchanged(shard, content.places(everything)), content, into, kept, notify)
            into.finish()
            kept.finish(_staying(tally), self._cut)
        return tally, {**kept.outputs(content), **into.outputs()}

    def _kept(self, stack: ExitStack, folder: Folder, shard: Shard, content: Content) -> Kept:
        given = self.config.output
        return Kept(stack, folder, shard, content, lambda: self._opened(shard), given.kept, given.zstd_level)

    def _in_parts(self, shard: Shard, content: Content, notify: Notify) -> list[parts.Part]:
        """Screen a large shard, each part published by itself; nothing for others."""
        size, folder = self.config.output.checkpoint_bytes, self.folder
        if folder is None or self.limit is not None or shard.size <= size:
            return []
        mark = {"fingerprint": self.fingerprint, "stamp": shard.stamp, "size": shard.size, "bytes": size}
        done = parts.finished(folder, shard, mark)
        total = sum((part.tally for part in done.values()), Tally())
        places = unchanged(shard, content.places(lambda position: position // size not in done))
        for number, here in groupby(places, lambda place: place.position // size):
            if number in done:
                continue
            with ExitStack() as stack:
                names = part_names(shard.name, number)
                changes = Changes(stack, folder, names.kept, content)
                into = Outputs(stack, folder, shard.name, names, content, changes)
                before = total
                tally = self._look(here, content, into, changes, lambda now, read: notify(before + now, read))  # noqa: B023
                into.finish()
            part = parts.Part(number, tally, tuple(sorted(self._unscreened)), tuple(into.errors.spilled))
            parts.mark(folder, shard, part, mark)
            done[number], total = part, total + tally
        return [done[number] for number in sorted(done)]

    def _joined(self, shard: Shard, content: Content, done: list[parts.Part]) -> tuple[Tally, dict[str, Any]]:
        assert self.folder is not None  # noqa: S101 - there are no parts without one
        total = sum((part.tally for part in done), Tally())
        self._unscreened.update(path for part in done for path in part.unscreened)
        with ExitStack() as stack, self._opened(shard) as again:
            kept = self._kept(stack, self.folder, shard, again)
            into = Outputs(stack, self.folder, shard.name, names_of(shard.name), again, kept)
            parts.replay(self.folder, shard, [part.number for part in done], again, kept)
            kept.finish(_staying(total), cut=False)
            parts.join(self.folder, shard, done, into)
            into.finish()
        return total, {**kept.outputs(content), **into.outputs()}

    def _look(self, places: Iterable[Place], content: Content, into: Outputs | None, kept: Keeping, notify: Notify) -> Tally:
        """Screen records and send each where it belongs; the counts of what became of them."""
        tally, told = Tally(), 0
        for place in places:
            if place.position - told > BLOCK:
                told = place.position
                notify(tally, content.size)
            record = content.read(place)
            if record is None:  # a blank line
                kept.keep(place.raw)
                continue
            if tally.records == self.limit:
                self._cut = True
                break
            if place.row < _LOOKED_AT and not isinstance(record, Unreadable):
                self._unscreened |= content.unscreened(place)
            judged = record if isinstance(record, Unreadable) else self._judged(record, place, content)
            if isinstance(judged, Unreadable):
                tally.add_error(judged.reason, place.size)
                if into is not None:
                    into.error(place, judged)
            else:
                tally.add(judged.verdict, place.size)
                if into is not None:
                    self._send(place, judged, content, into)
        notify(tally, content.size)
        return tally

    def _judged(self, record: Record, place: Place, content: Content) -> _Judged | Unreadable:
        try:
            verdict = self.chain.screen(record)
        except Exception as error:  # noqa: BLE001 - a stage of somebody else's; its message may hold text
            return Unreadable("stage_failed", f"a stage raised {type(error).__name__}")
        redacted = None
        if verdict.action == Action.REDACT:
            redacted = content.redact(place, verdict.redactions)
            if redacted is None:
                return Unreadable("not_redactable", "it holds values that could not be written again as they are")
        return _Judged(record, verdict, redacted)

    def _send(self, place: Place, judged: _Judged, content: Content, into: Outputs) -> None:
        record, verdict, redacted = judged
        into.pages.add(record, verdict)
        if verdict.findings:
            into.found(place, record, verdict)
        if verdict.action <= Action.TAG:
            into.kept.keep(place.raw)
        elif verdict.action == Action.REDACT:
            into.kept.change(place.row, "redacted", redacted)
        elif verdict.action == Action.QUARANTINE:
            into.kept.change(place.row, "quarantined")
            into.seclude(place, record, verdict, self._held(place, verdict, content))
        else:
            into.kept.change(place.row, "dropped")

    def _held(self, place: Place, verdict: Verdict, content: Content) -> Any:
        """What quarantine keeps of a record: all of it, nothing, or all but its credentials."""
        masks = masks_of(self.config.quarantine, self.chain.policy, verdict)
        return None if masks is None else content.redact(place, masks) if masks else place.raw


def _staying(tally: Tally) -> int:
    return sum(tally.outcomes[name] for name in ("kept", "tagged", "redacted"))


def _most(errors: Any) -> str:
    reason, count = errors.most_common(1)[0]
    return f"mostly {reason}" if count < sum(errors.values()) else reason
