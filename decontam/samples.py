"""Sample shards: a small corpus with something for every stage, in every compression, made up on the spot.

It ships as a recipe rather than as shards, so that nothing in the package looks like a secret.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import orjson
import yaml

from decontam.codecs import codec_of, compressing
from decontam.folders import Folder
from decontam.prove import fill_in


def write(folder: Path) -> list[Path]:
    """Write the sample shards to `folder`; the same bytes every time. Raises OSError."""
    recipe = yaml.safe_load((files("decontam") / "data" / "samples.yaml").read_text("utf-8"))
    out = Folder(str(folder))
    for name, records in recipe.items():
        with out.publishing(name) as raw:
            shard = compressing(raw, codec_of(name), zstd_level=3)
            for record in records:
                made = {key: fill_in(value, f"{record['id']}:{key}") for key, value in record.items()}
                shard.write(orjson.dumps(made, option=orjson.OPT_APPEND_NEWLINE))
            shard.close()
    return [folder / name for name in recipe]
