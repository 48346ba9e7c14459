"""What `like-fineweb` and `like-dolma` find and remove, beside the pipelines that they are named after.

    pip install --no-deps --target FOLDER dolma
    pip install --target FOLDER necessary nltk uniseg msgspec omegaconf smart_open
    python tests/bench/presets.py --dolma FOLDER [--examples N]

datatrove's PIIFormatter is FineWeb's step; dolma's tagger `pii_regex_with_counts_fast_v2` is the one that Dolma 1.5 and 1.6 were
mixed with, which takes out documents of more than five spans. Both run as they are, over ../shared/data/pii. Spans of one kind that
overlap are the same. What only one of them found is sorted by cause, by simple rules on the span and what stands around it, the
first that fits. Precision and recall are against the labels of `gen_*` and `presidio_*`; `neg_*` have none, so their part says
what is found and not who is right. CPU time is of the steps alone, on the same texts in turns, ours with the stage `pii` alone.
"""

from __future__ import annotations

import argparse
import importlib
import ipaddress
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import process_time
from types import ModuleType
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from corpus import SHARED, shared_rows
from rates import wilson

from decontam.chain import Chain
from decontam.config import chain_of, load_config
from decontam.types import Action, Field, Record, Verdict

LABELLED = ("gen_docs", "gen_ids", "gen_secrets", "presidio_research", "presidio_tests")
REAL = ("neg_bib", "neg_changelogs", "neg_code", "neg_lockfiles", "neg_logs", "neg_prose", "neg_tables", "neg_traps")
DOLMA_KINDS = {"EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "IP_ADDRESS": "IP"}
DOLMA_LIMIT = 5  # configs/dolma-v1_6/mixing/cc-head.yaml excludes doc_count > 5
NOBODY = "documentation or no-reply address"
NOBODYS = re.compile(r"[@.](?:example(?:\.(?:com|net|org))?|invalid|test|localhost)$|^(?:no-?reply|do-?not-?reply)@", re.IGNORECASE)
VERSION = re.compile(r"(?:version|ver\.?|v|release|fixed in|section|libfoo|chrome|[=<>~/_(-])\s*[\"']?\s*$", re.IGNORECASE)
NAMED = {"PHONE", "CREDIT_CARD", "IBAN", "URL_CRED", "SECRET"}
Found = tuple[int, int, str]


class Screened(NamedTuple):
    spans: tuple[Found, ...]
    removed: bool


class Side(NamedTuple):
    """`run` is what is timed, the step itself; `told` says of its result what it found."""

    run: Callable[[str], Any]
    told: Callable[[str, Any], Screened]


class Row(NamedTuple):
    text: str
    truth: tuple[Found, ...]
    ours: Screened
    theirs: Screened

    @property
    def people(self) -> int:
        """Labelled spans of the kinds that Dolma counts."""
        return sum(kind in DOLMA_KINDS.values() for _, _, kind in self.truth)


def fineweb() -> Side:
    """datatrove's step: the matches that it replaces."""
    from datatrove.pipeline.formatters.pii import PIIFormatter

    formatter = PIIFormatter()
    replacers = {"EMAIL": formatter.emails_replacer, "IP": formatter.ip_replacer}

    def told(text: str, _: str) -> Screened:
        spans = [
            (*match.span(), kind)
            for kind, replacer in replacers.items()
            for match in replacer.regex.finditer(text)
            if replacer.validator is None or replacer.validator(match.group())
        ]
        return Screened(tuple(spans), removed=False)

    return Side(formatter.format, told)


def dolma(folder: Path | None) -> Side:
    """dolma's tagger. Its packages are opened without their __init__, which load every tagger and what each needs."""
    if folder is not None:
        sys.path.append(str(folder))  # last, so that what is installed here is what the rest gets
    wanted = "pip install --no-deps --target FOLDER dolma; pip install --target FOLDER necessary nltk uniseg msgspec omegaconf smart_open"
    place = next((Path(entry) / "dolma" for entry in sys.path if (Path(entry) / "dolma/taggers/pii.py").is_file()), None)
    if place is None:
        raise SystemExit(f"dolma is not there; {wanted}; then --dolma FOLDER (or --skip-dolma for FineWeb alone)")
    for name, path in (("dolma", place), ("dolma.taggers", place / "taggers")):
        bare = ModuleType(name)
        bare.__path__ = [str(path)]
        sys.modules[name] = bare
    try:
        # Its sentence splitter fetches a model when it is imported; the PII tagger does not use it, an empty folder will do.
        import nltk

        with tempfile.TemporaryDirectory() as empty:
            (Path(empty) / "tokenizers/punkt").mkdir(parents=True)
            nltk.data.path.append(empty)
            pii = importlib.import_module("dolma.taggers.pii")
        types = importlib.import_module("dolma.core.data_types")
    except ImportError as error:
        raise SystemExit(f"dolma in {place} cannot be loaded ({error}); {wanted}") from None
    tagger = pii.FastPiiRegex()

    def run(text: str) -> Any:
        return tagger.predict(types.Document(source="", id="", text=text)).spans

    def told(_: str, spans: Any) -> Screened:
        count = next(span.score for span in spans if span.type == "doc_count")
        found = tuple((span.start, span.end, DOLMA_KINDS[span.type]) for span in spans if span.type in DOLMA_KINDS)
        return Screened(found, removed=count > DOLMA_LIMIT)

    return Side(run, told)


def preset(chain: Chain) -> Side:
    """What a preset of ours masks or takes out for."""

    def told(text: str, verdict: Verdict) -> Screened:
        record = Record("", (Field("text", text),))
        spans = {(*finding.span, finding.kind) for finding, _ in chain.policy.costly(record, verdict.findings)}
        return Screened(tuple(sorted(spans)), removed=verdict.action > Action.REDACT)

    return Side(chain.screen_text, told)


def meets(a: Found, spans: tuple[Found, ...]) -> bool:
    return any(a[0] < b[1] and b[0] < a[1] and a[2] == b[2] for b in spans)


def is_global(value: str) -> bool | None:
    try:
        return ipaddress.ip_address(value).is_global
    except ValueError:
        return None


def cause(text: str, span: Found, truth: tuple[Found, ...]) -> str:
    """Why a span may be found by one side alone: the first that fits. It is read from what stands there."""
    start, end, kind = span
    before, behind = text[max(0, start - 12) : start], text[end:]
    value = text[start:end].strip(" \t\r\n.,?!;:()")
    other = next((t[2] for t in truth if t[0] < end and start < t[1] and t[2] != kind), None)
    if other is not None:
        return f"part of a {other}" if other in NAMED else "part of a national id or another labelled number"
    labelled = meets(span, truth)
    if kind == "EMAIL":
        glued = before[-1:].isalnum() and text[start].isalnum()
        closed = behind[:1].isspace() or text[end - 1].isspace()
        return _first(_mail_at_hand(value, behind, glued, closed) if labelled else _no_mail(value, behind))
    return _first(_number(value, before, behind, labelled) if kind == "PHONE" else _address(value, before, behind))


def _first(causes: Iterable[tuple[object, str]]) -> str:
    return next((name for fits, name in causes if fits), "other")


def _mail_at_hand(value: str, behind: str, glued: bool, closed: bool) -> Iterator[tuple[object, str]]:
    yield "@" not in value, "spelled out or encoded"
    yield NOBODYS.search(value.casefold()), NOBODY
    yield glued, "letters before it (Chinese, Japanese)"
    yield not closed and re.fullmatch(r"\W*", behind), "end of the text"
    yield not closed, "no white space behind"
    yield True, "mail"


def _no_mail(value: str, behind: str) -> Iterator[tuple[object, str]]:
    bare = value.casefold().strip(".,;:<>[]}\"'`*")
    domain = bare.rpartition("@")[2]
    yield NOBODYS.search(bare), NOBODY
    yield "/" in bare, "path with an @"
    yield behind[:1] == ":", "git address"
    yield re.match(r"[v^~]?\d+(?:x|[.-]\d)|latest", domain), "package@version or file@2x"
    yield "xn--" in domain or not re.search(r"\.[a-z]{2,}$", domain), "unknown TLD"


def _number(value: str, before: str, behind: str, labelled: bool) -> Iterator[tuple[object, str]]:
    digits = re.sub(r"\D", "", value)
    if labelled:
        yield re.match(r"\+|00", value), "phone with a country code"
        yield re.fullmatch(r"\(?\d{3}\)?[-. ]*\d{3}[-. ]?\d{4}", value) or before[-1:] == "(", "phone of the shape 3-3-4"
        yield True, "phone of another shape"
    yield before[-1:].isdigit() or behind[:1].isdigit(), "part of longer numbers"
    yield re.fullmatch(r"\d{10}", value), "ten bare digits"
    yield len(digits) == 10, "3-3-4 digits"
    yield True, "another shape"


def _address(value: str, before: str, behind: str) -> Iterator[tuple[object, str]]:
    yield ":" in value, "IPv6"
    yield re.search(r"[\d.]$", before) or re.match(r"\.?\d", behind), "part of longer numbers"
    yield is_global(value) is None, "no address (leading zeros)"
    yield ipaddress.ip_address(value).is_multicast, "multicast"
    yield not is_global(value), "private, reserved or documentation range"
    yield VERSION.search(before), "version or section"
    yield True, "other public address"


def side_by_side(names: Sequence[str], ours: Side, theirs: Side, clock: Counter[str]) -> list[Row]:
    rows = []
    for number, row in enumerate(row for name in names for row in shared_rows(f"pii/{name}.jsonl.zst")):
        text, made = row["text"], {}
        for who, side in (("ours", ours), ("theirs", theirs))[:: 1 if number % 2 else -1]:
            started = process_time()
            made[who] = side.run(text)
            clock[who] += process_time() - started
        clock["bytes"] += len(text.encode())
        truth = tuple((span["start"], span["end"], span["type"]) for span in row["spans"])
        rows.append(Row(text, truth, ours.told(text, made["ours"]), theirs.told(text, made["theirs"])))
    return rows


def table(title: str, rows: list[Row], kinds: tuple[str, ...], labelled: bool, examples: int) -> None:
    print(f"== {title}: {len(rows):,} documents, {sum(len(row.text.encode()) for row in rows) / 1e6:.1f} MB")
    for kind in kinds:
        both, alone, partial = 0, {"ours": Counter[str](), "theirs": Counter[str]()}, Counter[str]()
        shown: list[str] = []
        score: Counter[tuple[str, str]] = Counter()
        for row in rows:
            sides = {
                "ours": tuple(span for span in row.ours.spans if span[2] == kind),
                "theirs": tuple(span for span in row.theirs.spans if span[2] == kind),
            }
            truth = tuple(span for span in row.truth if span[2] == kind)
            for who, other in (("ours", "theirs"), ("theirs", "ours")):
                for span in sides[who]:
                    if not meets(span, sides[other]):
                        why = cause(row.text, span, row.truth)
                        alone[who][why] += 1
                        if alone[who][why] <= examples:
                            start, end, _ = span
                            marked = f"{row.text[max(0, start - 30) : start]}[[{row.text[start:end]}]]{row.text[end : end + 15]}"
                            shown.append(f"     {who} only, {why}: {marked!r}")
                    elif who == "ours":
                        both += 1
                        partial["the same" if span in sides[other] else "with other ends"] += 1
                score[who, "found"] += len(sides[who])
                score[who, "right"] += sum(meets(span, truth) for span in sides[who])
                score[who, "recalled"] += sum(meets(span, sides[who]) for span in truth)
            score["", "truth"] += len(truth)
        print(f"{kind:<6} both {both:,} ({partial['with other ends']:,} with other ends)")
        for who, causes in alone.items():
            print(f"   {who + ' only':<12} {causes.total():,}" + "".join(f"; {why} {n:,}" for why, n in causes.most_common()))
        for who in ("ours", "theirs") if labelled else ():
            precision = wilson(score[who, "right"], score[who, "found"])
            print(f"   {who:<12} precision {precision}, recall {wilson(score[who, 'recalled'], score['', 'truth'])}")
        print(*shown, sep="\n", end="\n" if shown else "")
    removed = Counter((row.ours.removed, row.theirs.removed) for row in rows)
    print(f"documents removed: both {removed[True, True]:,}, ours only {removed[True, False]:,}, theirs only {removed[False, True]:,}")
    if labelled and removed[True, False] + removed[False, True]:
        many = Counter(row.ours.removed for row in rows if row.ours.removed != row.theirs.removed and row.people > DOLMA_LIMIT)
        print(f"   with more than {DOLMA_LIMIT} labelled spans: of ours only {many[True]:,}, of theirs only {many[False]:,}")


def beside(name: str, theirs: Side, kinds: tuple[str, ...], examples: int) -> None:
    off = {"enabled": False}
    stages = dict.fromkeys(("signatures", "secrets", "known", "synthetic"), off)
    ours = preset(chain_of(load_config(name, {"stages": stages})))
    for name_of_set in ("presidio_research", "neg_logs"):  # what is loaded when it is first needed is nobody's cost
        side_by_side([name_of_set], ours, theirs, Counter())
    for title, names in (("labelled", LABELLED), ("without labels, real but for neg_traps", REAL)):
        clock: Counter[str] = Counter()
        table(f"{name}, {title}", side_by_side(names, ours, theirs, clock), kinds, names is LABELLED, examples)
        speeds = ", ".join(f"{who} {clock[who]:.2f} s ({clock['bytes'] / 1e6 / clock[who]:.1f} MB/s)" for who in ("ours", "theirs"))
        print(f"CPU time: {speeds}; theirs / ours {clock['theirs'] / clock['ours']:.2f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--dolma", type=Path, metavar="FOLDER", help="where pip put dolma (--target)")
    options.add_argument("--skip-dolma", action="store_true", help="FineWeb alone")
    options.add_argument("--examples", type=int, default=0, metavar="N", help="also show so many spans of each cause")
    given = options.parse_args()
    if not any(SHARED.glob("pii/gen_*")):
        raise SystemExit(f"no pii/gen_*.jsonl.zst in {SHARED}; name the folder of the labelled sets in DECONTAM_DATA")
    peers = [("like-fineweb", fineweb(), ("EMAIL", "IP"))]
    if not given.skip_dolma:
        peers.append(("like-dolma", dolma(given.dolma), ("EMAIL", "PHONE", "IP")))
    for name, theirs, kinds in peers:
        beside(name, theirs, kinds, given.examples)


if __name__ == "__main__":
    main()
