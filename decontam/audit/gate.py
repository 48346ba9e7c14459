"""Gate: whether shards may be trained on, by the runs whose content they are. What no run vouches for is refused.

Shards are known by their SHA-256, so a copy elsewhere is as good as the original. The proof of each run is checked as a whole; of its
files, only the shards in question are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from decontam import finished, manifest, proof, signing, tables
from decontam.audit import history
from decontam.audit.detectors import is_armed
from decontam.audit.files import digest_at
from decontam.audit.requirements import Requirements
from decontam.codecs import describe
from decontam.errors import DecontamError, InputError
from decontam.files import is_remote
from decontam.folders import Folder
from decontam.inputs import Shard, discover
from decontam.quarantine.verdicts import NAME as VERDICTS
from decontam.retention import span_of
from decontam.types import Action, Strength

_NO_TRAINING = ("quarantine", "errors", "findings", "dropped", "sites")


class Refusal(NamedTuple):
    """What is missing, in a word and in a sentence, and what to do about it."""

    what: str
    why: str
    do: str


class Answer(NamedTuple):
    """What is said of one shard; `run` is where the run lies that vouches for it."""

    path: str
    sha256: str | None
    run: str | None
    name: str | None
    refusals: tuple[Refusal, ...]

    @property
    def ok(self) -> bool:
        return not self.refusals

    def told(self) -> dict[str, Any]:
        return {**self._asdict(), "ok": self.ok, "refusals": [refusal._asdict() for refusal in self.refusals]}


@dataclass
class Voucher:
    """A run, what is missing of it, and what it wrote: SHA-256 -> kind and name."""

    out: str
    refusals: list[Refusal]
    wrote: dict[str, tuple[str, str]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    """Rows to leave out of an input, by the name of its shard, where nothing was kept."""
    none: bool = False
    """It kept no shards: of its inputs, those may be trained on of which no row is to be left out."""


def gate(paths: Sequence[str], required: Requirements, runs: Sequence[str] = (), workers: int = 4,
         now: datetime | None = None) -> list[Answer]:  # fmt: skip
    """An answer for each shard in `paths`: files, folders, globs or URLs; of the output of a run, what was kept and released.

    Raises InputError where nothing is there or a run that was named is none, ConfigError for a wrong key file.
    """
    shards = [shard for path in paths for shard in _shards(path)]
    named = [out.rstrip("/") for out in (*runs, *required.runs)]
    found = [out for shard in shards if (out := _run_above(shard.path)) is not None]
    public = signing.public_key(required.signed_by) if required.signed_by else None
    moment = now or datetime.now(timezone.utc)
    vouchers = [_voucher(out, required, public, moment) for out in dict.fromkeys([*named, *found])]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda shard: _answer(shard, vouchers, required), shards))


def _shards(path: str) -> tuple[Shard, ...]:
    if Folder(path).exists(manifest.NAME):
        there = [f"{path.rstrip('/')}/{part}" for part in ("kept", "release") if Folder(path).exists(part)]
        if not there:
            raise InputError(f"{path}: this run kept no shards (--kept none); name the shards that are to be trained on, and --run {path}")
        return tuple(shard for part in there for shard in discover([part])[0])
    return discover([path])[0]


def _run_above(path: str) -> str | None:
    """The run in whose output a file lies."""
    folder = path.rpartition("/")[0] if is_remote(path) else str(Path(path).absolute().parent)
    return _run_at(folder)


@lru_cache(maxsize=4096)
def _run_at(folder: str) -> str | None:
    if Folder(folder).exists(proof.NAME):
        return folder
    above = folder.rpartition("/")[0] if is_remote(folder) else str(Path(folder).parent)
    top = above == folder or above.endswith(("://", ":/")) or not above
    return None if top else _run_at(above)


def _voucher(out: str, required: Requirements, public: bytes | None, now: datetime) -> Voucher:
    run = finished.opened(out)
    voucher = Voucher(out, [], none=run.about.get("config", {}).get("output", {}).get("kept") == "none")
    told = _proven(run, voucher)
    if told is not None:
        voucher.refusals += _missing(run, told, required, public, now)
    return voucher


def _proven(run: finished.Finished, voucher: Voucher) -> dict[str, Any] | None:
    """The statement of a run, if it holds together; the voucher gets what the run wrote."""
    out = run.folder.root
    broken = f"look with: decontam verify {out}; restore what was changed, or screen again"

    def refused(what: str, why: str) -> None:
        voucher.refusals.append(Refusal(what, why, broken))

    try:
        told = proof.read(run.folder)
    except InputError as error:
        refused("proof", str(error))
        return None
    if told is None:
        voucher.refusals.append(Refusal("proof", f"{out} has no proof", "run the same command again, which proves what is there"))
        return None
    roots = proof.Roots()
    try:
        for rows in tables.read(run.folder, proof.LEAVES):
            for leaf in rows:
                roots.add(leaf)
                if leaf["kind"] == "dropped":
                    voucher.dropped[leaf["shard"]] = leaf["rows"]
                # What was kept as it was read counts as kept.
                if leaf["sha256"] and (leaf["kind"] != "input" or leaf["sha256"] not in voucher.wrote):
                    voucher.wrote[leaf["sha256"]] = leaf["kind"], leaf["name"]
    except Exception as error:  # noqa: BLE001 - whatever a broken table makes of its reader
        refused("proof", f"{out}/{proof.LEAVES} cannot be read ({type(error).__name__})")
        return None
    if not proof.stands(run.folder, told) or roots.told() != told.get("leaves"):
        refused("proof", f"the proof of {out} does not hold: something was changed")
    log = None if run.folder.remote else Path(run.folder.path(VERDICTS))
    since = history.read(run.folder, told["run"], log)
    for problem in since.problems:
        refused("ledger", f"{problem.name}: {problem.why}")
    for name, file in since.released.items():
        voucher.wrote.setdefault(file["sha256"], ("release", name))
    return told


def _missing(run: finished.Finished, told: Mapping[str, Any], required: Requirements, public: bytes | None,
             now: datetime) -> Iterator[Refusal]:  # fmt: skip
    about, out = run.about, run.folder.root
    again = "screen again with a config that does"
    if about.get("state") != "done":
        yield Refusal("state", f"the run is not done ({about.get('state')})", "run the same command again until every shard is done")
    report = orjson.loads(run.folder.read("report.json") or b"{}")
    if not report.get("balanced"):
        yield Refusal("books", "its books do not balance", "report this, and screen again")
    yield from _errored(report, required)
    yield from _age(about, required, now)
    if public is not None and not any(_holds(made, told, public) for made in signing.signatures(run.folder)):
        yield Refusal(
            "signature", "it is not signed by the key that is required", f"have it verified and signed: decontam sign {out} --key FILE"
        )
    for stage in required.stages:
        if not is_armed(stage, about):
            yield Refusal("stage", f"the stage {stage} did not run, or had neither rules nor artefacts to look with", again)
    yield from _lenient(about, required)
    yield from _unlisted(about, required)
    if required.allowances == "forbid" and about["config"]["policy"]["allow"]:
        yield Refusal(
            "allowances", f"{len(about['config']['policy']['allow'])} allowances were in its policy", "screen again without policy.allow"
        )


def _holds(made: dict[str, Any], told: Mapping[str, Any], public: bytes) -> bool:
    return made["run"] == told["run"] and made["public_key"] == public.hex() and signing.holds(made, public)


def _errored(report: Mapping[str, Any], required: Requirements) -> Iterator[Refusal]:
    tally = report.get("tally", {})
    share = tally.get("outcomes", {}).get("errored", 0) / max(tally.get("records", 0), 1)
    if required.max_errored is not None and share > required.max_errored:
        yield Refusal(
            "errored",
            f"{share:.2%} of its records could not be screened, more than max_errored {required.max_errored:.2%}",
            "see its errors/, mend the input and screen it again",
        )


def _age(about: Mapping[str, Any], required: Requirements, now: datetime) -> Iterator[Refusal]:
    if required.max_age is not None and about.get("ended"):
        age = now - datetime.fromisoformat(about["ended"])
        if age > span_of(required.max_age):
            yield Refusal("age", f"it ended {age.days} days ago, max_age is {required.max_age}", "screen again with the rules of today")


def weakest(rows: Sequence[Mapping[str, Any]], rules: Iterable[str], strength: Strength) -> Action:
    """What findings of that strength by these rules cost at least, whatever their kind, provider and source.

    A row counts as soon as it may fit; it decides about a rule only where it fits all of its findings.
    """
    left, least = set(rules), Action.DROP
    for row in rows:
        fitting = {rule for rule in left if fnmatchcase(rule, row["rule"])}
        if not fitting or Strength[row["strength"].upper()] > strength:
            continue
        least = min(least, Action[row["action"].upper()])
        if row["kind"] == row["provider"] == row["source"] == "*" and not row.get("score"):
            left -= fitting
        if not left:
            return least
    return Action.KEEP


def _lenient(about: Mapping[str, Any], required: Requirements) -> Iterator[Refusal]:
    policy = about["config"]["policy"]
    for stage, wanted in required.actions.items():
        rules = [name for name in about["rules"] if name.startswith(f"{stage}/")]
        for strength in Strength:
            least = max((action for at_least, action in wanted.items() if at_least <= strength), default=Action.KEEP)
            does = weakest(policy["actions"], rules or [f"{stage}/"], strength)
            if strength and does < least:
                yield Refusal(
                    "actions",
                    f"some {strength.name.lower()} findings of {stage} cost only {does.name.lower()}, not {least.name.lower()}",
                    "screen again with a stricter policy.actions",
                )
        for embedded in policy["embedded"]:
            does = Action(embedded["action"]) if isinstance(embedded["action"], int) else Action[embedded["action"].upper()]
            if embedded["stage"] == stage and wanted and does < Action.REDACT:
                yield Refusal(
                    "actions", f"samples of {stage} in documents cost only {does.name.lower()}", "screen again with policy.embedded: redact"
                )


def _unlisted(about: Mapping[str, Any], required: Requirements) -> Iterator[Refusal]:
    """Rules, packs, models, indexes and code that did not run."""
    ran = about["rules"]
    for wanted in required.rules:
        name, _, revision = wanted.partition("@")
        if not any(fnmatchcase(rule, name) and revision in ("", ran[rule]) for rule in ran):
            yield Refusal("rules", f"no rule {wanted} ran", "screen again with the rules that are required")
    for part in ("packs", "models", "indexes"):
        there = about.get(part) or {}
        for name, digest in getattr(required, part).items():
            if there.get(name) != digest:
                did = "did not run" if name not in there else "ran in another version"
                yield Refusal(part, f"{name} {did}", f"screen again with the {part} that are required")
    if required.code and (about.get("code") or {}).get("sha256") not in required.code:
        yield Refusal(
            "code", f"it ran with other code, {(about.get('code') or {}).get('version')}", "screen again with the code that is required"
        )


def _answer(shard: Shard, vouchers: Sequence[Voucher], required: Requirements) -> Answer:
    try:
        sha256, _ = digest_at(shard.path)
    except (OSError, DecontamError) as error:
        return Answer(shard.path, None, None, None, (Refusal("unreadable", describe(error), "give access to it"),))
    answers = [_by(shard, sha256, voucher, required) for voucher in vouchers if sha256 in voucher.wrote]
    if not answers:
        looked = f"; looked in {', '.join(voucher.out for voucher in vouchers)}" if vouchers else ""
        why = f"no run vouches for this content{looked}"
        return Answer(
            shard.path, sha256, None, None, (Refusal("unscreened", why, "screen it with decontam run, or name its run with --run OUT"),)
        )
    return min(answers, key=lambda answer: len(answer.refusals))


def _by(shard: Shard, sha256: str, voucher: Voucher, required: Requirements) -> Answer:
    kind, name = voucher.wrote[sha256]
    mine: list[Refusal] = []
    if kind in _NO_TRAINING or kind == "tally":
        mine.append(Refusal("kind", f"it is {name} of {voucher.out}, which is not to be trained on", "train on what was kept"))
    elif kind == "input" and voucher.dropped.get(name):
        rows = voucher.dropped[name]
        mine.append(
            Refusal(
                "input", f"it is an input, and {rows:,} of its rows are to be dropped", f"train on {voucher.out}/kept, or drop those rows"
            )
        )
    elif kind == "input" and not voucher.none:
        mine.append(Refusal("input", "it is an input, not what was kept of it", f"train on {voucher.out}/kept/{name}"))
    elif kind == "release" and required.released == "forbid":
        mine.append(Refusal("released", "its records were taken out and given back by reviewers", "leave it out, or permit released"))
    return Answer(shard.path, sha256, voucher.out, name, (*voucher.refusals, *mine))


def like(out: str) -> dict[str, Any]:
    """Requirements that ask for what a run was, to be edited. Raises InputError."""
    about = finished.opened(out).about
    stages = [name for name in about["config"]["stages"] if is_armed(name, about)]
    actions: dict[str, dict[str, str]] = {}
    for stage in stages:
        rules = [name for name in about["rules"] if name.startswith(f"{stage}/")]
        for strength in (Strength.WEAK, Strength.STRONG, Strength.CONCLUSIVE):
            does = weakest(about["config"]["policy"]["actions"], rules or [f"{stage}/"], strength)
            if does > Action.KEEP:
                actions.setdefault(stage, {})[strength.name.lower()] = does.name.lower()
    digests = {part: about[part] for part in ("packs", "models", "indexes") if about.get(part)}
    return {"max_age": "90d", "max_errored": 0.001, "stages": stages, "actions": actions, **digests}
