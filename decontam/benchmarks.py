"""Benchmarks: how the copies that a team has are read, as `configs/benchmarks.yaml` says; nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from decontam.codecs import CODECS
from decontam.config import shipped
from decontam.errors import ConfigError, InputError, did_you_mean
from decontam.logs import Options
from decontam.logs.fields import Shape, Wanted
from decontam.paths import steps

_STRICT = ConfigDict(extra="forbid")
_UNKNOWN = {"unexpected_keyword_argument", "extra_forbidden"}


@dataclass(frozen=True, config=_STRICT)
class WrittenShape:
    """A shape as it is written: see `Shape`, and the names of files that have it."""

    files: tuple[str, ...]
    parts: tuple[Wanted, ...]
    id: str | None = None
    records: str | None = None
    columns: tuple[str, ...] = ()

    def shape(self) -> Shape:
        return Shape(self.parts, self.id, self.columns, self.records)

    def fits(self, name: str) -> bool:
        """Whether a file has this shape, by its name without what compressed it."""
        base = PurePath(name).name
        bare = next((base.removesuffix(codec) for codec in CODECS if base.lower().endswith(codec)), base)
        return any(fnmatchcase(bare.lower(), pattern.lower()) for pattern in self.files)


@dataclass(frozen=True, config=_STRICT)
class Benchmark:
    """A benchmark: what it is, where its format is documented, and the shapes that its copies have."""

    about: str
    source: str
    shapes: tuple[WrittenShape, ...]


_BENCHMARKS = TypeAdapter(dict[str, Benchmark])


def load(path: str | Path | None = None) -> dict[str, Benchmark]:
    """The benchmarks that a file describes, those that come with decontam by default. Raises ConfigError with one sentence."""
    file = Path(path) if path is not None else shipped()["default"].with_name("benchmarks.yaml")
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; name a YAML file of benchmarks") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not YAML: {error}") from None
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"{file}: a mapping of benchmarks was expected, like configs/benchmarks.yaml")
    return check(content, str(file))


def check(content: Mapping[str, Any], where: str) -> dict[str, Benchmark]:
    """A mapping of benchmarks, checked, its paths too. Raises ConfigError with one sentence."""
    try:
        benchmarks = _BENCHMARKS.validate_python(dict(content))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explained(error)}") from None
    for name, benchmark in benchmarks.items():
        if not benchmark.shapes:
            raise ConfigError(f"{where}: {name} has no shapes")
        for shape in benchmark.shapes:
            if not shape.files or not shape.parts:
                raise ConfigError(f"{where}: {name}: a shape needs files and parts")
            paths = [path for part in shape.parts for path in (*part.fields, *part.of, *part.labels)]
            for path in [*paths, *(each for each in (shape.id, shape.records) if each)]:
                try:
                    steps(path)
                except ConfigError as error:
                    raise ConfigError(f"{where}: {name}: {error}") from None
    return benchmarks


def _explained(error: ValidationError) -> str:
    first = min(error.errors(), key=lambda each: each["type"] not in _UNKNOWN)
    place = [str(part) for part in first["loc"]]
    dotted = ".".join(place)
    if first["type"] in _UNKNOWN:
        known = {**Benchmark.__annotations__, **WrittenShape.__annotations__, **Wanted.__annotations__}
        return f"unknown key {dotted!r}{did_you_mean(place[-1], known)}"
    if first["type"] in {"missing", "missing_argument"}:
        return f"{'.'.join(place[:-1])} lacks {place[-1]!r}"
    return f"{dotted}: {first['msg']} (found {str(first['input'])[:60]!r})"


def named(name: str, benchmarks: Mapping[str, Benchmark]) -> Benchmark:
    """One of the benchmarks. Raises ConfigError, naming those that there are."""
    if name not in benchmarks:
        raise ConfigError(f"unknown benchmark {name!r}{did_you_mean(name, benchmarks)}; known are {', '.join(sorted(benchmarks))}")
    return benchmarks[name]


def options_for(benchmark: Benchmark, path: str, max_record_bytes: int = Options.max_record_bytes) -> Options:
    """How `decontam.logs.read` reads a copy of a benchmark. Raises InputError where no shape has files of that name."""
    shapes = tuple(shape.shape() for shape in benchmark.shapes if shape.fits(path))
    if not shapes:
        files = ", ".join(dict.fromkeys(pattern for shape in benchmark.shapes for pattern in shape.files))
        raise InputError(
            f"{path}: no file of this benchmark by its name; they are called {files}, maybe compressed; see {benchmark.source}"
        )
    return Options(include="all", shapes=shapes, max_record_bytes=max_record_bytes)
