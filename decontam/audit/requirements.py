"""Requirements: what a run must have been for its shards to be trained on; a YAML file, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge, Le
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from decontam.errors import ConfigError, did_you_mean
from decontam.files import is_remote
from decontam.policy import NamedAction, NamedStrength
from decontam.retention import span_of
from decontam.rules import Words


def _checked_span(said: str | None) -> str | None:
    if said is not None:
        span_of(said)
    return said


@dataclass(frozen=True, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True))
class Requirements:
    """All that is given must hold. A run must always be valid and done, and its books must balance."""

    runs: Words = ()
    """Where runs are, besides those that shards lie in."""
    signed_by: str | None = None
    """PEM file with the public key of who signs runs."""
    max_age: Annotated[str | None, AfterValidator(_checked_span)] = None
    """Since the run ended: 90d."""
    max_errored: Annotated[float, Ge(0), Le(1)] | None = None
    """Share of the records that could not be screened."""
    stages: Words = ()
    actions: Mapping[str, Mapping[NamedStrength, NamedAction]] = Field(default_factory=dict)
    """What a finding of a stage and of at least that strength must cost at least."""
    rules: Words = ()
    """Rules that must have run: `stage/rule`, maybe with * and ?, maybe `stage/rule@revision`."""
    packs: Mapping[str, str] = Field(default_factory=dict)
    models: Mapping[str, Any] = Field(default_factory=dict)
    indexes: Mapping[str, Any] = Field(default_factory=dict)
    """Names and SHA-256, as manifests have them."""
    code: Words = ()
    """SHA-256 of the code, any of them."""
    allowances: Literal["permit", "forbid"] = "permit"
    """Whether the config may have listed findings as no harm."""
    released: Literal["permit", "forbid"] = "permit"
    """Whether records may be trained on that reviewers gave back."""


_REQUIREMENTS = TypeAdapter(Requirements)
_KEYS = tuple(Requirements.__dataclass_fields__)


def read(path: str | None) -> Requirements:
    """The requirements in a file; the bare ones for None. Raises ConfigError with one sentence."""
    if path is None:
        return Requirements()
    try:
        content = yaml.safe_load(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a YAML file of requirements") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: requirements are a mapping; known keys: {', '.join(_KEYS)}")
    try:
        made = _REQUIREMENTS.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
            raise ConfigError(f"{path}: unknown key {place!r}{did_you_mean(place, _KEYS)}; known: {', '.join(_KEYS)}") from None
        raise ConfigError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}") from None
    folder = Path(path).resolve().parent
    runs = tuple(run if is_remote(run) else str(folder / run) for run in made.runs)
    return replace(made, runs=runs, signed_by=made.signed_by and str(folder / made.signed_by))
