"""Detectors: what the stages of a run had to look with, by its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decontam.stages import STAGES, stage_class, third_party


def artefacts_of(stage: str, about: Mapping[str, Any]) -> dict[str, str]:
    """The files that a stage read beside its packs: those that are named after it, or all of a group that is its own."""
    known = {**STAGES, **third_party()}
    group = getattr(stage_class(known[stage]), "artefact_group", None) if stage in known else None
    mine = {name: digest for name, digest in (about.get("models") or {}).items() if name.startswith(f"{stage}.")}
    return mine | (about.get(group) or {} if group else {})


def is_armed(stage: str, about: Mapping[str, Any]) -> bool:
    """Whether a stage was on and had anything to look with: rules, a model, an index.

    A stage of another package is taken at its word.
    """
    options = about["config"]["stages"].get(stage)
    if options is None or not options["enabled"]:
        return False
    return stage not in STAGES or bool(artefacts_of(stage, about)) or any(name.startswith(f"{stage}/") for name in about["rules"])
