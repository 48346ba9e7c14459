"""Finishing: what a run tells when all its shards are through, and the run of many parts as if it had been one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import orjson

from decontam import finished, manifest, proof, shares, signing
from decontam.claims import held
from decontam.codecs import describe
from decontam.errors import BooksError, InputError
from decontam.finished import Finished
from decontam.folders import Folder
from decontam.inputs import Shard, Skipped
from decontam.report import metrics, report
from decontam.shares import Share, number_of

_READERS = 32  # tallies that are read at once
_NAMED = 8  # of what is missing


def publish(folder: Folder, name: str, content: bytes | Mapping[str, Any]) -> None:
    """Write a file about the whole run. Raises OSError."""
    with folder.publishing(name) as file:
        file.write(content if isinstance(content, bytes) else orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def result_of(folder: Folder, shard: str, digest: str) -> dict[str, Any] | None:
    """The result of a shard from its tally; None where there is none of a run with this fingerprint."""
    content = folder.read(f"tallies/{shard}.json")
    try:
        result: dict[str, Any] = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        return None
    if content is None or result.get("fingerprint") != digest:
        return None
    result["stored"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return result


def as_listed(result: Mapping[str, Any], shard: Shard) -> bool:
    """Whether a result is good, and of a shard as it is now."""
    given = result.get("input", {})
    return given.get("stamp") == shard.stamp and given.get("size") == shard.size and not result.get("problem")


def close(folder: Folder, opened: Mapping[str, Any], results: Sequence[Mapping[str, Any]], failed: Mapping[str, str],
          skipped: Iterable[Skipped], told: dict[str, Any], signer: signing.Signer | None) -> None:  # fmt: skip
    """Write report, metrics, manifest and proof of a run; `told` is its report, which gets the run digest."""
    state = "failed" if told["problems"] else "done"
    closed = manifest.closed(opened, results, failed, skipped, state, manifest.now(), folder.elsewhere)
    try:
        publish(folder, "report.json", told)
        publish(folder, "metrics.prom", metrics(told))
        publish(folder, manifest.NAME, closed)
        told["proof"] = proof.write(folder, results)
        if signer is not None:
            signing.sign(folder, signer, told["proof"])
    except OSError as error:
        # What went wrong with the shards is worth more than what went wrong with the report of it.
        told["problems"]["report.json"] = f"cannot be written to {folder.root}: {describe(error)}; run the same command again"


def done_before(folder: Folder, results: Sequence[Mapping[str, Any]], signer: signing.Signer | None) -> dict[str, Any]:
    """The report of a run that is whole already. Nothing of it is written again, so that its digest and signatures hold."""
    told = report(results, {}, 0.0)
    run = (proof.read(folder) or {})["run"]
    if signer is not None:
        signing.sign(folder, signer, run)
    return balanced({**told, "resumed": len(results), "proof": run})


def balanced(told: dict[str, Any]) -> dict[str, Any]:
    """A report whose counts add up. Raises BooksError for another."""
    if not told["balanced"]:
        tally = told["tally"]
        raise BooksError(f"{tally['records']:,} records were read, but {sum(tally['outcomes'].values()):,} are accounted for")
    return told


def finish(out: str, sign_key: str | None = None) -> dict[str, Any]:
    """Write report, metrics, manifest and proof of a run whose parts are all through; its report.

    Raises InputError, and writes nothing, where a part is missing, running or not finished, and BooksError where counts do not add up
    or an output is gone that a tally tells of. Shards that failed are named under `problems`, as in a run of one piece.
    """
    run = finished.opened(out)
    of = run.about.get("parts")
    signer = signing.Signer.of(sign_key) if sign_key else None
    with held(run.folder):
        try:
            results, failed = _results(run, of)
            whole = len(results) == len(run.about["shards"])
            if whole and run.about.get("state") == "done" and proof.stands(run.folder, proof.read(run.folder)):
                return done_before(run.folder, results, signer)
            if not of:
                raise InputError(f"{out}: the run there is not in parts; run its command again to finish it")
            said = shares.told(run.folder, of)
            _complete(run, of, said, results, failed)
        except OSError as error:
            raise InputError(f"{out}: {describe(error)}") from None
        _there(run.folder, results)
        run.folder.sweep(lambda name: False)
        run.folder.remove("proof")
        if not failed:
            run.folder.remove("parts")
            run.folder.prune("quarantine/.parts")
        told = report(results, failed, _span(said.values()))
        told["resumed"] = 0
        opened = {key: run.about[key] for key in run.about.keys() - {"inputs", "outputs", "failed", "skipped"}}
        opened["workers"] = [said[number] for number in sorted(said)]
        close(run.folder, opened, results, failed, [Skipped(**skip) for skip in run.about.get("skipped", ())], told, signer)
    return balanced(told)


def _results(run: Finished, of: int | None) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The results of the shards that have one, by name, and what workers said of those that failed."""
    digest = run.about["fingerprint"]
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(lambda name: result_of(run.folder, name, digest), run.about["shards"]))
    said = shares.told(run.folder, of) if of else {}
    through = {name for name, result in zip(run.about["shards"], found, strict=True) if result is not None}
    failed = {name: why for each in said.values() for name, why in each.get("failed", {}).items() if name not in through}
    return [result for result in found if result is not None], failed


def _complete(run: Finished, of: int, said: Mapping[int, Mapping[str, Any]], results: Sequence[Mapping[str, Any]],
              failed: Mapping[str, str]) -> None:  # fmt: skip
    """Raises InputError where a part is not through: which, why, and what to do."""
    root, shards = run.folder.root, run.about["shards"]
    through = {result["input"]["name"] for result in results} | failed.keys()
    left: dict[int, int] = {}
    for name in shards:
        left[number_of(name, of)] = left.get(number_of(name, of), 0) + (name not in through)
    why = {
        number: _why(Share(number, of), said.get(number), count)
        for number, count in sorted(left.items())
        if count or said.get(number, {}).get("state") == "running"
    }
    if why:
        more = f"; and {len(why) - _NAMED} more" if len(why) > _NAMED else ""
        shown = "; ".join(list(why.values())[:_NAMED])
        raise InputError(f"{root}: {len(why)} of {of} parts are not through: {shown}{more}. Run them again, then decontam finish {root}")
    known = {f"{name}.json" for name in shards}
    if strangers := sorted(name for name in run.folder.names("tallies") if name.endswith(".json") and name not in known):
        shard = strangers[0].removesuffix(".json")
        raise InputError(
            f"{root} holds the shard {shard!r}, which no part was given now; give all parts the same inputs, and run them again"
        )


def _why(share: Share, said: Mapping[str, Any] | None, left: int) -> str:
    if said is None:
        return f"{share} has never begun ({left:,} shards)"
    if said["state"] == "running":
        return f"{share} began at {said['began']} on {said['host']} and has not ended ({left:,} shards left)"
    return f"{share} ended, but {left:,} of its shards have no tally"


def _there(folder: Folder, results: Sequence[Mapping[str, Any]]) -> None:
    """Raises BooksError where an output is gone that a tally tells of: two workers at one part may take each other's away."""
    there = set(folder.names())
    for result in results:
        for name in result["outputs"]:
            if name not in there:
                shard = result["input"]["name"]
                raise BooksError(
                    f"{folder.path(name)} is gone, though the tally of {shard} tells of it; "
                    f"remove {folder.path(f'tallies/{shard}.json')}, run that part again, then decontam finish {folder.root}"
                )


def _span(said: Iterable[Mapping[str, Any]]) -> float:
    """Seconds from the first beginning to the last end."""
    times = [(datetime.fromisoformat(each["began"]), datetime.fromisoformat(each["ended"])) for each in said if each["ended"]]
    return (max(ended for _, ended in times) - min(began for began, _ in times)).total_seconds() if times else 0.0
