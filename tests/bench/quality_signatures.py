"""How good the `signatures` stage is, on the labelled sets of ../shared/data: the goals of the stage, line by line.

    python tests/bench/quality_signatures.py [--misses] [--human]

A recording counts as found when it leaves the record: quarantined, or cut out of it as a sample. Rates come with N and a 95 %
Wilson interval. `--human` adds every human document of the synthetic sets (minutes); `--misses` lists what was missed and why.
The packs were written with these sets at hand: read the figures as an upper bound.
"""

from __future__ import annotations

import base64
import html
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent))

import yaml
from corpus import shared_rows
from rates import print_rates, wilson

from decontam.chain import Chain
from decontam.config import chain_of, load_config
from decontam.types import Action, Strength, Verdict

REAL = {"payload-json", "stream-sse", "stream-ndjson", "citation-markup", "ui-artifact"}
SAID = {"refusal-or-self-identification", "knowledge-cutoff-disclaimer"}
# What the labels call by the host, the traces call by the server.
SAME = {
    "local-openai-compatible": {"vllm", "llama.cpp", "any-openai-compatible", "ollama"},
    "gpustack": {"any-openai-compatible", "vllm", "llama.cpp"},
    "meta-llama-family": {"meta-llama"},
    "google-gemini": {"google-vertex"},
    "google-vertex": {"google-gemini"},
    "huggingface": {"huggingface-tgi", "any-openai-compatible", "cerebras"},
    "azure-ai": {"azure-openai"},
    "azure-openai": {"azure-ai"},
}


def signatures_alone() -> Chain:
    off = {"enabled": False}
    return chain_of(load_config(None, {"stages": {"secrets": off, "pii": off}}))


def taken(verdict: Verdict) -> bool:
    return verdict.action >= Action.REDACT


def why_missed(verdict: Verdict) -> str:
    """The strongest thing that was seen, in words."""
    if not verdict.findings:
        return "nothing seen"
    best = max(finding.strength for finding in verdict.findings)
    return (
        "only a mention"
        if best == Strength.MENTION
        else f"only {best.name.lower()}: "
        + ", ".join(sorted({finding.rule for finding in verdict.findings if finding.strength == best})[:3])
    )


def _lines(prefix: str) -> Callable[[str], str]:
    return lambda text: "".join(prefix + line for line in text.splitlines(keepends=True))


def _wrapped(text: str, width: int = 60) -> str:
    """Broken at spaces, as mail and commit messages are."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\n".join(lines)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _masked(value: object) -> object:
    """Names, ids and secrets overwritten, the skeleton kept."""
    gone = {"id", "model", "system_fingerprint", "request_id", "requestId", "responseId", "modelVersion", "created", "created_at"}
    if isinstance(value, dict):
        return {key: ("XX" if isinstance(inner, str) else 0) if key in gone and not isinstance(inner, dict | list) else _masked(inner)
                for key, inner in value.items()}  # fmt: skip
    return [_masked(inner) for inner in value] if isinstance(value, list) else value


def _stripped(value: object) -> object:
    gone = {"id", "model", "object", "created", "created_at", "system_fingerprint", "request_id", "service_tier", "responseId",
            "modelVersion", "provider"}  # fmt: skip
    if isinstance(value, dict):
        return {key: _stripped(inner) for key, inner in value.items() if key not in gone}
    return [_stripped(inner) for inner in value] if isinstance(value, list) else value


def _spread(mark: str) -> Callable[[str], str]:
    """A mark inside every word of four letters or more."""
    return lambda text: " ".join(word[:3] + mark + word[3:] if len(word) > 3 else word for word in text.split(" "))


_LOOKALIKE = str.maketrans("aeopc", "аеорс")
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_OF_TEXT: dict[str, Callable[[str], str]] = {
    "zero-width": _spread("\u200b"),
    "soft-hyphen": _spread("\u00ad"),
    "homoglyph": lambda text: " ".join(w.translate(_LOOKALIKE) if n % 3 == 0 and not set(w) <= set("aeopc") else w
                                       for n, w in enumerate(text.split(" "))),
    "full-width": lambda text: text.translate(_WIDE),
    "entities": lambda text: html.escape(text).replace("_", "&#95;").replace("I", "&#73;"),
    "percent": lambda text: quote(text, safe=""),
    "base64": lambda text: "data=" + base64.b64encode(text.encode()).decode(),
    "base64-in-lines": lambda text: base64.encodebytes(text.encode()).decode(),
    "json-in-string": lambda text: json.dumps({"raw": text}),
    "double-escaped": lambda text: json.dumps({"raw": json.dumps({"raw": text})}),
    "unicode-escape": lambda text: '"' + "".join(f"\\u{ord(c):04x}" if c in '"{}:[]I' and ord(c) < 0x10000 else c for c in text) + '"',
    "line-wrap": _wrapped,
    "comment-slashes": lambda text: _lines("// ")(_wrapped(text)),
    "comment-hash": lambda text: _lines("# ")(_wrapped(text)),
    "quoted-lines": lambda text: _lines("> ")(_wrapped(text)),
}  # fmt: skip
_OF_JSON: dict[str, Callable[[object], str]] = {
    "mask-names-ids": lambda value: json.dumps(_masked(value), ensure_ascii=False),
    "strip-identity-keys": lambda value: json.dumps(_stripped(value), ensure_ascii=False),
    "python-repr": repr,
    "yaml": lambda value: yaml.safe_dump(value, allow_unicode=True),
    "pretty": lambda value: json.dumps(value, indent=4, ensure_ascii=False),
    "truncated": lambda value: (text := json.dumps(value, ensure_ascii=False))[: len(text) * 2 // 3],
}


def evasions(row: dict) -> Iterator[tuple[str, str]]:
    """(kind, text) of everything that can be done to a recording to hide it."""
    text = row["text"]
    yield from ((kind, hide(text)) for kind, hide in _OF_TEXT.items())
    value = _parsed(text) if row["kind"] == "payload-json" else None
    if value is not None:
        yield from ((kind, hide(value)) for kind, hide in _OF_JSON.items())


def recordings(chain: Chain, misses: bool) -> None:
    found, labelled, named, derived = (defaultdict(list) for _ in range(4))
    causes: Counter[str] = Counter()
    for number, row in enumerate(shared_rows("signatures/positives.jsonl.zst")):
        verdict = chain.screen_text(row["text"])
        group = "real recordings" if row["kind"] in REAL else "said as whole answers" if row["kind"] in SAID else "the rest"
        if row.get("evasion"):
            labelled[row["evasion"]].append(taken(verdict))
            continue
        found[group].append(taken(verdict))
        found[f"  {row['kind']}"].append(taken(verdict))
        if group != "the rest" and not taken(verdict):
            cause = f"{row['kind']}: {why_missed(verdict)}"
            causes[cause] += 1
            if misses:
                print(f"missed {row['id']} {row['provider']} {row['source']}: {cause}")
        if row["kind"] in REAL and row["provider"] != "unknown-llm":
            right = verdict.provider in {row["provider"], *SAME.get(row["provider"], ())}
            named["all"].append(right)
            named["all, hosts and servers told apart"].append(verdict.provider == row["provider"])
            named[row["provider"]].append(right)
            if misses and not right:
                print(f"misnamed {row['id']} {row['provider']} {row['source']}: {verdict.provider}")
        if group != "the rest" and number % 5 == 0 and taken(verdict) and len(row["text"]) < 20_000:
            for kind, text in evasions(row):
                derived[kind].append(taken(chain.screen_text(text)))
                if misses and not derived[kind][-1]:
                    print(f"evaded {row['id']} {row['kind']} {row['provider']}: {kind}")
    print_rates("recordings found (quarantined or cut out)", found)
    print_rates("provider of the verdict is the labelled one, real recordings", named)
    print_rates("labelled evasions found", labelled)
    print_rates("evasions made here of every fifth recording that is found in plain", derived)
    print("misses by cause")
    for cause, count in causes.most_common(12):
        print(f"  {count:4} {cause}")


def near_misses(chain: Chain, misses: bool) -> None:
    false, cut = defaultdict(list), defaultdict(list)
    for row in shared_rows("signatures/negatives.jsonl.zst"):
        verdict = chain.screen_text(row["text"])
        for name in ("all", row["neg_type"]):
            false[name].append(verdict.action >= Action.QUARANTINE)
            cut[name].append(verdict.action == Action.REDACT)
        if misses and taken(verdict):
            rules = {finding.rule for finding in verdict.findings if finding.strength == Strength.CONCLUSIVE}
            print(f"{verdict.action.name.lower()} {row['id']} {row['neg_type']} {row['source']}: {sorted(rules)}")
    print_rates("near misses quarantined", false)
    print_rates("near misses from which a sample was cut", cut)


def human(chain: Chain) -> None:
    count, false = 0, []
    for row in shared_rows("synthetic/*.jsonl.zst"):
        if row["label"] == "human" and row["attack"] in (None, "none"):  # the others were rewritten by models
            count += 1
            verdict = chain.screen_text(row["text"])
            if taken(verdict):
                false.append(
                    (row["id"], verdict.action.name, sorted({f.rule for f in verdict.findings if f.strength == Strength.CONCLUSIVE}))
                )
    bound = f"none in so many would bound the rate at {3 / max(1, count):.4%}"
    print(f"human documents taken out: {len(false)} of {count:,} ({wilson(len(false), count)}; {bound})")
    for what in false:
        print("  ", *what)


if __name__ == "__main__":
    stage = signatures_alone()
    recordings(stage, "--misses" in sys.argv)
    near_misses(stage, "--misses" in sys.argv)
    if "--human" in sys.argv:
        human(stage)
