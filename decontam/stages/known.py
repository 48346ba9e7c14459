"""Known texts: passages of our own API logs, of benchmarks, of whatever an index holds. Each finding says whose and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from decontam.errors import ArtefactError, ConfigError
from decontam.keys import Key
from decontam.rules import strength_named
from decontam.scan import Scanner
from decontam.types import Strength

if TYPE_CHECKING:
    from decontam.passages import Passages

_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


@dataclass(frozen=True, config=_STRICT)
class Threshold:
    """What a reference and a text must have in common, all in all, for findings of this strength."""

    strength: Annotated[Strength, BeforeValidator(strength_named)]
    words: Annotated[float, Ge(0)]
    """Words that agree, in order, as far as they are not common: two characters of a script without spaces count as one."""
    evidence: Annotated[float, Ge(0)] = 0.0
    """Shingles in common, each counting 1 where no other text has it, less where others do, and 0 where the background does."""
    agreement: Annotated[float, Ge(0), Le(1)] = 0.0
    """The share of the words of the passages that agree."""
    share: Annotated[float, Ge(0), Le(1)] = 0.0
    """What the passages are of the reference or of the text, whichever is more: what is little of both may be quoted in both."""
    whole: bool = False
    """The reference must be there as a whole, its numbers too."""


@dataclass(frozen=True, config=_STRICT)
class Options:
    """`indexes` are paths; without any the stage is off. The first of `thresholds` that is met says how strong a finding is."""

    indexes: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = field(default_factory=tuple)


_OPTIONS = TypeAdapter(Options)


def _checked(options: Mapping[str, Any]) -> Options:
    try:
        return _OPTIONS.validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["stages.known.options", *map(str, first["loc"])])
        raise ConfigError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


class Known:
    """Loads the stage: `passages.Passages`, which brings numba along, is imported only where there is an index."""

    artefact_group = "indexes"
    keyed = True

    @classmethod
    def load(cls, options: Mapping[str, Any], scanner: Scanner | None, key: Key | None = None) -> Passages | None:
        """The stage, its indexes open; None where it has none. Raises ConfigError, ArtefactError."""
        given = _checked(options)
        if not given.indexes:
            return None
        from decontam.indexes import verified
        from decontam.passages import Passages
        from decontam.shingles import mix_of

        pairs = []
        for path in given.indexes:
            index = verified(path)
            if index.key is not None and (key is None or key.id != index.key):
                named = f"the key is {key.id}" if key else "there is no key"
                raise ArtefactError(f"{path}: was built with the key {index.key}, but {named}; name its key with policy.key or --key-env")
            pairs.append((index, mix_of(key if index.key else None)))
        _named_apart([index.name for index, _ in pairs])
        return Passages(tuple(pairs), given.thresholds)

    @classmethod
    def artefacts(cls, options: Mapping[str, Any]) -> dict[str, str]:
        """The digests of the indexes, by name. Raises ConfigError, ArtefactError."""
        given = _checked(options)
        if not given.indexes:
            return {}
        from decontam.indexes import described, name_of

        _named_apart([name_of(path) for path in given.indexes])
        return {name_of(path): described(path)[1] for path in given.indexes}


def _named_apart(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"stages.known.options.indexes: two indexes are called {name!r}; findings are named after them: rename one")
