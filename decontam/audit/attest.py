"""Attest: what can be said of a run to who was not there: for a data card, a vendor, a lawyer.

What was screened, by what, how well that is known to work, what was found and taken out, and what remains unknown. It says what was
done, and never that nothing is left.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import orjson

from decontam import manifest, proof, signing
from decontam.audit import history
from decontam.audit.detectors import artefacts_of, is_armed
from decontam.audit.verify import Verified
from decontam.errors import InputError
from decontam.finished import Finished
from decontam.proof import digest_of
from decontam.quarantine import ledger
from decontam.quarantine.teach import precision
from decontam.quarantine.verdicts import Verdicts, state_of
from decontam.rates import wilson
from decontam.tally import OUTCOMES

SCHEMA = 1
NOT_MEASURED = "not measured"
_NOTHING: dict[str, Any] = {}


def measured() -> dict[str, Any]:
    """The figures that come with the package, as `tests/bench/measured.py` wrote them; nothing where there are none."""
    path = files("decontam") / "data" / "measured.json"
    try:
        told: dict[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {"stages": {}}
    return told


def attest(run: Finished, log: Verdicts | None, verified: Verified | None = None, providers: Sequence[str] = (),
           figures: Mapping[str, Any] | None = None) -> dict[str, Any]:  # fmt: skip
    """All that there is to say of a run, as JSON-safe values. `providers` are asked for by name, found or not.

    Raises InputError where the run has no proof or no report.
    """
    about = run.about
    told = proof.read(run.folder)
    content = run.folder.read("report.json")
    if told is None or content is None:
        raise InputError(f"{run.folder.root}: the run has not ended, or its proof is gone; run the same command again")
    report = orjson.loads(content)
    tally = report["tally"]
    known = measured() if figures is None else figures
    return {
        "schema": SCHEMA,
        "written": manifest.now(),
        "run": {
            "digest": told["run"],
            "state": about.get("state"),
            "began": about.get("began"),
            "ended": about.get("ended"),
            "by": about.get("operator"),
            "decontam": about.get("decontam"),
            "code": (about.get("code") or {}).get("sha256"),
            "parent": about.get("parent"),
            "holds": proof.stands(run.folder, told),
            "verified": None if verified is None else {"files": verified.files, "problems": [each.told() for each in verified.problems]},
            "signatures": [{key: each[key] for key in ("key", "at")} for each in signing.signatures(run.folder)],
        },
        "screened": _screened(about, report, tally),
        "detectors": [_detector(stage, about, known) for stage in about["config"]["stages"]],
        "measured": {key: known.get(key) for key in ("at", "by", "version")},
        "policy": _policy(about),
        "found": {key: tally[key] for key in ("outcomes", "stages", "kinds", "providers", "documents")},
        "providers": [_provider(name, about, tally, known) for name in sorted({*tally["providers"], *providers})],
        "review": _review(run, log, tally, told["run"]),
        "unknown": list(_unknown(about, report, tally, known)),
    }


def _screened(about: Mapping[str, Any], report: Mapping[str, Any], tally: Mapping[str, Any]) -> dict[str, Any]:
    given = about.get("inputs") or []
    return {
        "shards": {"named": len(about.get("shards") or []), "done": report["shards"]["done"], "failed": sorted(about.get("failed") or {})},
        "passed_over": len(about.get("skipped") or []),
        "records": tally["records"],
        "bytes": tally["bytes"],
        "errored": tally["errors"],
        "texts": about["config"]["input"]["text_key"],
        "screen": about["config"]["input"]["screen"],
        "columns_not_screened": report["unscreened"],
        "cut_off": sum(each["sha256"] is None for each in given),
        "balanced": report["balanced"],
    }


def _detector(stage: str, about: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    options = about["config"]["stages"][stage]
    rules = {name: revision for name, revision in about["rules"].items() if name.startswith(f"{stage}/")}
    figures = (known.get("stages") or {}).get(stage)
    told: dict[str, Any] = {
        "stage": stage,
        "enabled": options["enabled"],
        "rules": len(rules),
        "disabled_rules": list(options["disable"]),
        "artefacts": artefacts_of(stage, about),
        "measured": None,
    }
    if figures is not None:
        same = figures.get("rules") == digest_of(sorted(f"{name}@{revision}" for name, revision in rules.items()))
        told["measured"] = {
            "by": figures["by"],
            "set": figures["set"],
            "same_rules": same,
            "found": {name: _rate(*pair) for name, pair in figures["found"].items()},
            "wrongly_of_found": {name: _rate(*pair) for name, pair in figures.get("false_of_found", _NOTHING).items()},
            "not_looked_for": figures.get("not_looked_for", []),
            "wrongly": {name: _rate(*pair) for name, pair in figures["false"].items()},
        }
    return told


def _rate(hits: int, n: int) -> dict[str, Any]:
    low, high = wilson(hits, n)
    return {"hits": hits, "of": n, "rate": round(hits / n, 4) if n else None, "low": round(low, 4), "high": round(high, 4)}


def _policy(about: Mapping[str, Any]) -> dict[str, Any]:
    policy = about["config"]["policy"]
    allowances = [{key: each[key] for key in ("reason", "by", "expires", "rule", "source")} for each in policy["allow"]]
    return {"actions": policy["actions"], "redaction": policy["redaction"], "key": about.get("key"), "allowances": allowances}


def _provider(name: str, about: Mapping[str, Any], tally: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What can be answered to: was that vendor's output in it?"""
    pair = ((known.get("stages") or {}).get("signatures") or {}).get("found", _NOTHING).get(name)
    count = tally["providers"].get(name, 0)
    told: dict[str, Any] = {"provider": name, "records_with_findings": count, "measured": _rate(*pair) if pair else None, "missed": None}
    if pair and pair[0] and about["config"]["stages"].get("signatures", {}).get("enabled"):
        low, high = wilson(*pair)
        # As many as stay unseen one time in twenty, besides the share that goes with those that were found.
        unseen = int(math.log(0.05) / math.log(1 - low)) if low < 1 else 0
        told["missed"] = [int(count * (1 / high - 1)), math.ceil(count * (1 / low - 1)) + unseen]
    return told


def _review(run: Finished, log: Verdicts | None, tally: Mapping[str, Any], digest: str) -> dict[str, Any]:
    if log is None:
        return {
            "records": tally["outcomes"].get("quarantined", 0),
            "states": {},
            "reviewers": [],
            "precision": [],
            "releases": 0,
            "expiries": 0,
        }
    states = Counter(state_of(event) for event in log.current().values())
    rules = [each._asdict() for each in precision(run, log) if each.rate is not None]
    entries = ledger.entries(run.folder)
    problems = history.read(run.folder, digest, log.path).problems
    return {
        "records": tally["outcomes"].get("quarantined", 0),
        "states": dict(sorted(states.items())),
        "reviewers": sorted({event.reviewer for event in log.events()}),
        "precision": rules,
        "releases": sum(entry["what"] == "release" for entry in entries),
        "expiries": sum(entry["what"] == "expire" for entry in entries),
        "log_holds": not problems,
    }


def _unknown(about: Mapping[str, Any], report: Mapping[str, Any], tally: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    """What nobody can say, in a sentence each."""
    stages = about["config"]["stages"]
    if about.get("state") != "done":
        yield f"The run is not done ({about.get('state')}): {len(about.get('failed') or {})} shards failed, and nothing is known of them."
    for name, options in stages.items():
        if not options["enabled"]:
            yield f"The stage {name} did not run; what it would have found is unknown."
        elif not is_armed(name, about):
            yield f"The stage {name} had no rules and no artefacts to look with, and found nothing."
        elif name not in (known.get("stages") or {}):
            yield f"How much the stage {name} finds, and how often it is wrong, was {NOT_MEASURED} for this release."
    if columns := report["unscreened"]:
        yield f"{len(columns)} columns or keys were not screened: {', '.join(columns[:10])}{' and more' if len(columns) > 10 else ''}."
    if errored := tally["outcomes"].get("errored", 0):
        yield f"{errored:,} records could not be read and were left out; what they hold is unknown."
    if any(each["sha256"] is None for each in about.get("inputs") or ()):
        yield "The run had a limit: of each shard only the first records were screened, and only these were kept."
    yield "A text that a model wrote and that carries no trace of it is not found by rules."
    yield "Rates on labelled sets say nothing sure of other text."
    yield "Names and addresses of people are looked for only where their surroundings say so."
    if about["config"]["policy"]["allow"]:
        yield f"{len(about['config']['policy']['allow'])} allowances made findings count as no harm; whoever granted them answers for that."
    if about["config"]["output"]["kept"] == "none":
        yield "No shards were kept: whether the rows to drop were dropped is not known here."


def markdown(told: Mapping[str, Any]) -> str:
    """An attestation for people."""
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    run, screened = told["run"], told["screened"]
    yield from ("# Attestation of screening", "")
    yield f"Written {told['written']} from the records of the run `{run['digest']}`."
    yield from ("", "## What was screened, when, by whom", "")
    shards = screened["shards"]
    yield f"- {shards['done']:,} of {shards['named']:,} shards, {screened['records']:,} records, {screened['bytes']:,} bytes"
    yield f"- {screened['passed_over']:,} files were no shards and were passed over"
    yield f"- from {run['began']} to {run['ended']}, by {run['by']}; state: {run['state']}"
    yield f"- decontam {run['decontam']}, code `{run['code']}`"
    if run["parent"]:
        yield f"- what was screened is what the run `{run['parent']['run']}` had kept"
    texts = screened["texts"] if isinstance(screened["texts"], list) else [screened["texts"]]
    yield f"- texts at {', '.join(f'`{text}`' for text in texts)}" + (
        "; every string of a record" if screened["screen"] == "all-strings" else ""
    )
    yield f"- the books {'balance' if screened['balanced'] else 'DO NOT BALANCE'}; the proof {'holds' if run['holds'] else 'DOES NOT HOLD'}"
    yield f"- {_verified(run['verified'])}"
    yield from (f"- signed by key `{each['key']}` at {each['at']}" for each in run["signatures"])
    yield from ("", "## By what, and how well that is known to work", "")
    yield "Rates are counts on labelled sets with 95 % Wilson intervals" + (
        f", measured {told['measured']['at']} with {told['measured']['version']}." if told["measured"]["at"] else "."
    )
    for detector in told["detectors"]:
        yield from _of_detector(detector)
    yield from ("", "## What was found, and what became of it", "")
    yield from _table(("outcome", "records"), ((name, f"{told['found']['outcomes'].get(name, 0):,}") for name in OUTCOMES))
    yield from ("", *_table(("stage or kind", "records with findings"), _counted(told["found"]["stages"], told["found"]["kinds"])))
    if told["providers"]:
        yield from ("", "## Provider by provider", "")
        yield from _table(
            ("provider", "records with findings", "found of what was there, measured", "missed, if this data were like the labelled sets"),
            map(_of_provider, told["providers"]),
        )
    yield from _of_policy(told["policy"])
    yield from _of_review(told["review"])
    yield from ("", "## What remains unknown", "")
    yield from (f"- {sentence}" for sentence in told["unknown"])


def _verified(verified: Mapping[str, Any] | None) -> str:
    if verified is None:
        return "files were not read again for this attestation (`decontam verify` does that)"
    problems = verified["problems"]
    came = f"{len(problems):,} PROBLEMS" if problems else "all as they were"
    return f"{verified['files']:,} files were read again for this attestation: {came}"


def _said(rate: Mapping[str, Any] | None) -> str:
    if rate is None or rate["rate"] is None:
        return NOT_MEASURED
    return f"{rate['rate']:.1%} [{rate['low']:.1%}, {rate['high']:.1%}] of {rate['of']:,}"


def _of_detector(detector: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"### {detector['stage']}", "")
    if not detector["enabled"]:
        yield "Did not run."
        return
    rules = f"{detector['rules']:,} rules" if detector["rules"] else "no rules of patterns"
    less = f", without {', '.join(f'`{_cell(name)}`' for name in detector['disabled_rules'])}" if detector["disabled_rules"] else ""
    used = "".join(f"; {name} `{str(digest)[:16]}`" for name, digest in detector["artefacts"].items())
    yield f"Ran with {rules}{less}{used}." if detector["rules"] or detector["artefacts"] else "Had no rules and no artefacts to look with."
    told = detector["measured"]
    yield ""
    if told is None:
        yield f"Found of what is there: {NOT_MEASURED}. Wrongly found: {NOT_MEASURED}."
        return
    same = "the rules that ran" if told["same_rules"] else "OTHER rules than those that ran"
    yield f"Measured with {same}, on {told['set']}."
    yield ""
    wrongly = told["wrongly_of_found"]
    head = (told["by"], "found of what was there", *(("wrongly found, of what was found",) if wrongly else ()))
    rows = ((name, _said(rate), *((_said(wrongly.get(name)),) if wrongly else ())) for name, rate in told["found"].items())
    yield from _table(head, rows)
    yield from ("", *_table(("false alarms", "rate"), ((name, _said(rate)) for name, rate in told["wrongly"].items())))
    if told["not_looked_for"]:
        yield from ("", f"In these sets, and not looked for: {', '.join(map(_cell, told['not_looked_for']))}.")


def _counted(stages: Mapping[str, int], kinds: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    yield from ((f"**{name}**", f"{count:,}") for name, count in stages.items())
    yield from ((name, f"{count:,}") for name, count in sorted(kinds.items(), key=lambda item: -item[1]))


def _of_provider(each: Mapping[str, Any]) -> tuple[str, ...]:
    missed = f"{each['missed'][0]:,} to {each['missed'][1]:,}" if each["missed"] is not None else "unknown"
    return each["provider"], f"{each['records_with_findings']:,}", _said(each["measured"]), missed


def _of_policy(policy: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## The policy", "")
    head = ("rule", "kind", "provider", "source", "at least", "action")
    yield from _table(
        head, ((row["rule"], row["kind"], row["provider"], row["source"], row["strength"], row["action"]) for row in policy["actions"])
    )
    yield ""
    keyed = f", with the key {policy['key']}" if policy["key"] else ""
    yield f"Redacted values were replaced by: {policy['redaction']}{keyed}. The first row that fits a finding counts."
    for each in policy["allowances"]:
        what = f"{_cell(each['rule'])} in {_cell(each['source'])}"
        yield f"- no harm until {each['expires']}, says {_cell(each['by'])}: {_cell(each['reason'])} ({what})"


def _of_review(review: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Review", "")
    if not review["reviewers"]:
        yield f"Nobody has judged the {review['records']:,} records in quarantine."
        return
    states = ", ".join(f"{count:,} {state}" for state, count in review["states"].items())
    yield f"Of {review['records']:,} records in quarantine: {states}; by {', '.join(map(_cell, review['reviewers']))}."
    yield f"{review['releases']} releases, {review['expiries']} expiries."
    if not review["log_holds"]:
        yield "The log of verdicts DOES NOT HOLD: something in it was changed."
    if review["precision"]:
        yield from ("", "How much of what a rule took out was rightly taken, by samples:", "")
        rows = (
            (each["rule"], f"{each['rate']:.1%} [{each['low']:.1%}, {each['high']:.1%}]", f"{each['effective']:.0f}")
            for each in review["precision"]
        )
        yield from _table(("rule", "precision", "effective n"), rows)


def _cell(text: str) -> str:
    """Text that others wrote, so that it cannot become a table, a link or a tag."""
    return "".join(f"\\{c}" if c in "|`[]<>*_#!\\" else " " if c in "\r\n\t" else c for c in str(text))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(cell if cell.startswith('**') else _cell(cell) for cell in row)} |" for row in rows)
