"""What `like-fineweb` and `like-dolma` find and remove, beside the pipelines that they are named after.

    pip install --no-deps --target FOLDER dolma
    pip install --target FOLDER necessary nltk uniseg msgspec omegaconf smart_open
    python tests/bench/presets.py --dolma FOLDER [--examples N]

datatrove's PIIFormatter is FineWeb's step; dolma's tagger `pii_regex_with_counts_fast_v2` is the one that Dolma 1.5 and 1.6 were mixed
with, which takes out documents of more than five spans. Both run as they are, over ../shared/data/pii. Spans of one kind that overlap
are the same. What only one of them found is sorted by cause, by simple rules on the span and its surroundings, the first that
fits. Precision and recall are against the labels of `gen_*` and `presidio_*`; `neg_*` have none, and only samples of them were read, so
their table says what is found and not who is right. CPU time is of both on the same texts, once each and in turns, ours with the stage `pii`
alone. In text that holds no telephone number of the United States, dolma finds none.
"""

from __future__ import annotations

import argparse
import importlib
import ipaddress
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from types import ModuleType
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from corpus import SHARED, shared_rows
from rates import wilson

from decontam.chain import Chain
from decontam.config import chain_of, load_config
from decontam.types import Action

LABELLED = ("gen_docs", "gen_ids", "gen_secrets", "presidio_research", "presidio_tests")
REAL = ("neg_bib", "neg_changelogs", "neg_code", "neg_lockfiles", "neg_logs", "neg_prose", "neg_tables", "neg_traps")
DOLMA_KINDS = {"EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "IP_ADDRESS": "IP"}
DOLMA_LIMIT = 5  # configs/dolma-v1_6/mixing/cc-head.yaml excludes doc_count > 5
NOBODYS = re.compile(r"(?:^|[@.])(?:example\.(?:com|net|org)|(?:example|invalid|test|localhost))$|^(?:no-?reply|do-?not-?reply)@", re.I)
Found = tuple[int, int, str]


class Screened(NamedTuple):
    spans: tuple[Found, ...]
    removed: bool


Peer = Callable[[str], Screened]


class Row(NamedTuple):
    text: str
    truth: tuple[Found, ...]
    ours: Screened
    theirs: Screened


def fineweb() -> Peer:
    """datatrove's step: the matches that it replaces."""
    from datatrove.pipeline.formatters.pii import PIIFormatter

    formatter = PIIFormatter()
    replacers = {"EMAIL": formatter.emails_replacer, "IP": formatter.ip_replacer}

    def screen(text: str) -> Screened:
        spans = [
            (*match.span(), kind)
            for kind, replacer in replacers.items()
            for match in replacer.regex.finditer(text)
            if replacer.validator is None or replacer.validator(match.group())
        ]
        return Screened(tuple(spans), removed=False)

    return screen


def dolma(folder: Path | None) -> Peer:
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

    def screen(text: str) -> Screened:
        spans = tagger.predict(types.Document(source="", id="", text=text)).spans
        count = next(span.score for span in spans if span.type == "doc_count")
        found = tuple((span.start, span.end, DOLMA_KINDS[span.type]) for span in spans if span.type in DOLMA_KINDS)
        return Screened(found, removed=count > DOLMA_LIMIT)

    return screen


def preset(chain: Chain) -> Peer:
    """What a preset of ours masks or takes out for."""

    def screen(text: str) -> Screened:
        verdict = chain.screen_text(text)
        costly = chain.policy.costly
        if verdict.action < Action.REDACT:
            return Screened((), removed=False)
        from decontam.types import Field, Record

        spans = {(*finding.span, finding.kind) for finding, _ in costly(Record("", (Field("text", text),)), verdict.findings)}
        return Screened(tuple(sorted(spans)), removed=verdict.action > Action.REDACT)

    return screen


def meets(a: Found, spans: tuple[Found, ...]) -> bool:
    return any(a[0] < b[1] and b[0] < a[1] and a[2] == b[2] for b in spans)


def is_global(value: str) -> bool | None:
    try:
        return ipaddress.ip_address(value).is_global
    except ValueError:
        return None


def cause(text: str, span: Found, truth: tuple[Found, ...], labelled: bool) -> str:
    """Why a span may be found by one side alone: the first that fits. It is a guess from what stands there."""
    start, end, kind = span
    value = text[start:end].strip(" \t\r\n.,?!;:()")
    before, after = text[max(0, start - 1) : start], text[end : end + 2]
    other = next((t[2] for t in truth if t[0] < end and start < t[1] and t[2] != kind), None)
    if other is not None:
        return f"inside a labelled {other}" if kind != "EMAIL" else f"labelled {other}"
    if kind == "EMAIL":
        if "@" not in value:
            return "spelled out or encoded"
        domain = value.rpartition("@")[2].casefold().rstrip(".,;:>)]}\"'`")
        if NOBODYS.search(value.casefold().rstrip(".,;:>)]}\"'`")):
            return "documentation or no-reply address"
        if re.search(r"://|^git@|^[\w.]+@[\w.-]+:", value):
            return "URL or git address"
        if re.fullmatch(r"[v^~]?\d+(?:[.\dx-].*)?", domain):
            return "package@version"
        if not re.search(r"\.[a-z]{2,}$", domain):
            return "no TLD"
        if re.search(r"[\[\]<>\"'`{}=|]", value):
            return "mark-up or quotes in the span"
        if end == len(text) or not text[end : end + 1].isspace():
            return "no white space behind" if not text[end - 1 : end].isspace() else "mail"
        return "mail"
    if kind == "IP":
        if ":" in value:
            return "IPv6"
        if before.isdigit() or before == "." or after[:1].isdigit() or re.match(r"\.\d", after):
            return "part of longer numbers"
        if is_global(value) is None:
            return "no address (leading zeros)"
        if not is_global(value):
            return "private, reserved or documentation range"
        if re.search(r"(?:version|ver\.?|v|release|chrome|==|>=|<=|~=|[/_-])\s*[\"']?$", text[max(0, start - 12) : start], re.I):
            return "version"
        return "address that is a label" if labelled and meets(span, truth) else "public address"
    digits = re.sub(r"\D", "", value)
    if before.isdigit() or after[:1].isdigit():
        return "part of longer numbers"
    if labelled and meets(span, truth):
        plus = "+" in text[max(0, start - 2) : end] or digits.startswith("00")
        return "phone: +country" if plus else "phone: 3-3-4 digits" if len(digits) == 10 else "phone: another shape"
    if re.fullmatch(r"\d{10}", value):
        return "ten bare digits"
    if len(digits) == 10 and (digits[0] in "01" or digits[3] in "01"):
        return "3-3-4 digits, no such number in North America"
    return "3-3-4 digits" if len(digits) == 10 else "another shape"


def rows_of(names: tuple[str, ...], ours: Peer, theirs: Peer, clock: Counter[str]) -> Iterator[Row]:
    for name in names:
        for number, row in enumerate(shared_rows(f"pii/{name}.jsonl.zst")):
            text, made = row["text"], {}
            for who, screen in (("ours", ours), ("theirs", theirs))[:: 1 if number % 2 else -1]:
                started = process_time()
                made[who] = screen(text)
                clock[who] += process_time() - started
            clock["bytes"] += len(text.encode())
            truth = tuple((span["start"], span["end"], span["type"]) for span in row["spans"])
            yield Row(text, truth, made["ours"], made["theirs"])


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
                        why = cause(row.text, span, row.truth, labelled)
                        alone[who][why] += 1
                        if alone[who][why] <= examples:
                            marked = f"{row.text[max(0, span[0] - 30) : span[0]]}[[{row.text[span[0] : span[1]]}]]{row.text[span[1] : span[1] + 15]}"
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


def beside(name: str, theirs: Peer, kinds: tuple[str, ...], examples: int) -> None:
    off = {"enabled": False}
    stages = dict.fromkeys(("signatures", "secrets", "known", "synthetic"), off)
    ours = preset(chain_of(load_config(name, {"stages": stages})))
    for screen in (ours, theirs):
        screen("warm up 1.2.3.4 a@b.org ")
    clock: Counter[str] = Counter()
    labelled, real = ([*rows_of(names, ours, theirs, clock)] for names in (LABELLED, REAL))
    for title, rows in (("labelled", labelled), ("without labels, real but for neg_traps", real)):
        table(f"{name}, {title}", rows, kinds, rows is labelled, examples)
    size = clock["bytes"] / 1e6
    print(
        f"CPU time: ours {clock['ours']:.2f} s ({size / clock['ours']:.1f} MB/s), theirs {clock['theirs']:.2f} s"
        f" ({size / clock['theirs']:.1f} MB/s); theirs / ours {clock['theirs'] / clock['ours']:.2f}"
    )


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
