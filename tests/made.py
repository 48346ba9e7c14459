"""Made-up texts of two kinds of writers, for tests of what learns and what judges: neither is anybody's."""

from __future__ import annotations

import json
import random
from pathlib import Path

_EVERYDAY = (
    "the of and to in that was for it with as his on be at by had not are but from or have an they which one you were her all she there "
    "would their we him been has when who will more no if out so said what up its about into than them can only other new some could time "
    "these two may then do first any my now such like our over man me even most made after also did many before must through back years"
)
PLAIN = "mud kettle shed grumble ditch sod wobbly ferret gravy porridge bramble cobbler tuppence hinge lorry rafters soot"
POLISHED = "delve tapestry crucial foster landscape leverage nuanced seamless robust realm testament vibrant pivotal holistic"


def text(human: bool, seed: int, words: int = 420, share: float = 0.12) -> str:
    """English-looking prose of so many words; `share` of them betray the writer."""
    draw = random.Random(f"{human}/{seed}")
    everyday, own = _EVERYDAY.split(), (PLAIN if human else POLISHED).split()
    said, sentence = [], 0
    for _ in range(words):
        word = draw.choice(own) if draw.random() < share else draw.choice(everyday)
        said.append(word.capitalize() if sentence == 0 else word)
        sentence = (sentence + 1) % draw.choice([9, 11, 14])
        if sentence == 0:
            said[-1] += "."
    return " ".join(said) + "."


def shard(path: Path, human: bool, texts: int, seed: int, words: int = 420, **fields: object) -> Path:
    """A shard of labelled texts."""
    label = "human" if human else "llm"
    rows = [{"id": str(n), "text": text(human, seed * 10_000 + n, words), "label": label, "lang": "en", **fields} for n in range(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


TABLE = """
folds: [one, two, three]
sources:
  a: {fold: one, terms: made up}
  b: {fold: one, terms: made up}
  c: {fold: two, terms: made up}
  d: {fold: two, terms: made up}
  e: {fold: three, terms: made up}
  f: {fold: three, terms: made up, licence: noncommercial}
  m: {fold: one, terms: made up}
  n: {fold: two, terms: made up}
  o: {fold: three, terms: made up, licence: unstated}
vendors: {maker: [made]}
"""


def data(folder: Path) -> Path:
    """A folder of sources that a model can be trained and calibrated on, and a table of them."""
    folder.mkdir()
    for seed, name in enumerate("abcdef"):
        shard(folder / f"{name}.jsonl", True, 100, seed, 340)
    for seed, name in enumerate("mno"):
        shard(folder / f"{name}.jsonl", False, 40, 50 + seed, 340, generator="made-1")
    (folder.parent / "table.yaml").write_text(TABLE)
    return folder
