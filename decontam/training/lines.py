"""Lines: training texts as fastText takes them, and a model made of them by a fastText that can train."""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from decontam.errors import ConfigError
from decontam.scorers import line
from decontam.training.corpus import Sources, rows_of

_SETTINGS = {"lr": 0.3, "epoch": 8, "wordNgrams": 2, "dim": 16, "minCount": 3, "bucket": 200_000, "thread": 1, "seed": 7}


def trainer() -> object:
    """fastText's module, if it can train. Raises ConfigError."""
    try:
        import fasttext
    except ImportError:
        fasttext = None
    if not hasattr(fasttext, "train_supervised"):
        raise ConfigError(
            "--backend fasttext: the fastText that is installed can only predict; `pip install 'decontam[train]'` brings one that trains"
        )
    return fasttext


def train(folders: Sequence[Path], table: Sources, licences: str, cap: int, out: Path) -> int:
    """Train a fastText model on at most `cap` texts of each source and label and save it; the number of texts."""
    fasttext = trainer()
    draw = random.Random(7)
    lines: list[str] = []
    for path in sorted(path for folder in folders for path in folder.glob("*.jsonl*")):
        source = table.sources.get(path.name.partition(".jsonl")[0])
        if source is None or source.use == "none" or (licences == "open" and source.licence != "open"):
            continue
        groups: dict[str, list[str]] = defaultdict(list)
        for row in rows_of(path):
            domain = str(row.get("domain") or "")
            if licences == "all" or source.open_domains is None or domain in source.open_domains:
                groups[row["label"]].append(f"__label__{row['label']} {line(row['text'])}\n")
        for group in groups.values():
            lines += draw.sample(group, min(cap, len(group)))
    draw.shuffle(lines)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(lines)
        file.flush()
        model = fasttext.train_supervised(input=file.name, verbose=0, **_SETTINGS)  # type: ignore[attr-defined]
    model.save_model(str(out))
    return len(lines)
