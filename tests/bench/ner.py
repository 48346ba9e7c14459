"""What the stage `ner` costs beside the stage `pii`: CPU time of one core in the same run, medians of rounds, prose in turns.

    python tests/bench/ner.py [KILOBYTES] [ENGINE:MODEL ...]

Without a model to hand, a spaCy pipeline with one `ner` component of the standard size (that of the small pipelines: a hash embedding of
width 96, four convolutions) is made and left untrained. It finds nonsense, and costs what a trained one costs: only the cost is meant.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from corpus import machine_texts, shared_rows

from decontam.config import load_config, rules_of
from decontam.scan import Scanner
from decontam.stages.ner import Ner
from decontam.stages.pii import Pii
from decontam.view import View

ROUNDS = 5
_LABELS = ("PERSON", "NORP", "FAC", "ORG", "GPE", "LOC", "PRODUCT", "EVENT", "LAW", "LANGUAGE", "DATE", "TIME", "MONEY", "CARDINAL")
_HOSTILE = {
    "[": "[",
    "emoji": "😀",
    "a😀": "a😀",
    "JSON": '{"a":',
    "URL": "http://a.b/",
    "Han, commas": "我，",
    "letters": "a",
    '\\"': '\\"',
}


def untrained(folder: Path) -> str:
    """A pipeline of the standard architecture, initialised and saved."""
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    recogniser = nlp.add_pipe("ner")
    for label in _LABELS:
        recogniser.add_label(label)
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("Vera Quint"), {"entities": [(0, 10, "PERSON")]})])
    nlp.to_disk(folder)
    return str(folder)


def prose(size: int) -> list[str]:
    """Texts of people where the labelled sets are, else documentation of this machine."""
    texts, taken = [], 0
    for source in ((row["text"] for row in shared_rows("synthetic/h_*.jsonl.zst")), machine_texts()):
        for text in source:
            if taken >= size:
                return texts
            texts.append(text[:20_000])
            taken += len(texts[-1].encode("utf-8", "replace"))
    return texts


def seconds(stage: Ner | Pii, texts: list[str]) -> float:
    started = time.process_time()
    for text in texts:
        list(stage.inspect(View.of(text)))
    return time.process_time() - started


def main() -> None:
    size = 1000 * int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    texts = prose(size)
    read = sum(len(text.encode("utf-8", "replace")) for text in texts)
    options = load_config().stages["ner"].options
    with tempfile.TemporaryDirectory() as folder:
        made = untrained(Path(folder) / "untrained")
        models = sys.argv[2:] or [f"{engine}:{made}" for engine in ("spacy", "presidio")]
        stages = {"pii": Pii.load({}, Scanner(rules_of(load_config())))}
        stages |= {model.replace(made, "untrained"): Ner.load({**options, "model": model}, None) for model in models}
        for stage in stages.values():
            seconds(stage, texts[:5])
            seconds(stage, texts)
        rounds = [{name: seconds(stage, texts) for name, stage in stages.items()} for _ in range(ROUNDS)]
        print(f"{len(texts):,} texts, {read / 1e6:.2f} MB, {ROUNDS} rounds; MB/s of CPU time, and times the cost of pii")
        for name in stages:
            taken = statistics.median(each[name] for each in rounds)
            ratio = statistics.median(each[name] / each["pii"] for each in rounds)
            print(f"{name:<24} {read / taken / 1e6:>8.3f} MB/s  {ratio:>8.1f}x")
        print("100 KB of each, times the cost of 100 KB of prose")
        sample = ("".join(texts))[:100_000]
        for name, stage in stages.items():
            usual = seconds(stage, [sample])
            costs = {of: seconds(stage, [(unit * 100_000)[: len(sample)]]) / usual for of, unit in _HOSTILE.items()}
            print(f"{name:<24} " + ", ".join(f"{of} {cost:.1f}x" for of, cost in costs.items()))


if __name__ == "__main__":
    main()
