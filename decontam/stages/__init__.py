"""The stages, in their order. A stage is a class with a name, `load(options, scanner)` and `inspect(view)`.

Others come from packages that register "module:Class" in the entry-point group `decontam.stages`; they run after ours.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

STAGES: dict[str, str] = {
    # Surest first: the raw traces of an API. It makes the one scan that the two stages after it share.
    "signatures": "decontam.stages.signatures:Signatures",
    # Before personal data: a URL's password must not be taken for the local part of an address.
    "secrets": "decontam.stages.secrets:Secrets",
    "pii": "decontam.stages.pii:Pii",
    # After the rules, whose scan is cheaper; it looks at words, not at patterns.
    "known": "decontam.stages.known:Known",
    # It weighs a text as a whole, and needs nothing of the others.
    "synthetic": "decontam.stages.synthetic:Synthetic",
    # Last, for it is the dearest by far; off by default.
    "ner": "decontam.stages.ner:Ner",
}


def third_party() -> dict[str, str]:
    """Stages that installed packages offer: name -> "module:Class"."""
    return {point.name: point.value for point in entry_points(group="decontam.stages")}


def stage_class(where: str) -> Any:
    """The class behind "module:Class". Raises ImportError or AttributeError, as Python words them."""
    module, _, attribute = where.partition(":")
    return getattr(import_module(module), attribute)
