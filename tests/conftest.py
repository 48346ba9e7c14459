from __future__ import annotations

import bz2
import gzip
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, settings

from decontam.chain import Chain
from decontam.config import Config, chain_of, load_config
from decontam.errors import InputError
from decontam.inputs import discover
from decontam.run import Job, run

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="Rewrite the goldens with what the code does now.")


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config()


@pytest.fixture(scope="session")
def chain(config: Config) -> Chain:
    return chain_of(config)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".zst": zstd.compress,
    ".bz2": bz2.compress,
}


def shard(path: Path, records: Iterable[object]) -> Path:
    """Write records (dicts, or raw lines as bytes) to a shard, compressed as its name says."""
    lines = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(COMPRESS.get(path.suffix, bytes)(b"".join(line + b"\n" for line in lines)))
    return path


@pytest.fixture
def screen_files(config: Config, tmp_path: Path) -> Callable[..., dict]:
    """Run over files in this process and return the report; options of Job may be given."""

    def screened(*inputs: Path, out: Path | None = tmp_path / "out", **options: object) -> dict:
        options.setdefault("config", config)
        shards, skipped = discover([str(path) for path in inputs], str(out) if out else None)
        return run(Job(shards=shards, skipped=skipped, out=str(out) if out else None, **options))

    return screened


@contextmanager
def run_over(write: Callable[[Path], object], config: Config) -> Iterator[tuple[dict | None, Path]]:
    """Report and output of a run over what `write` puts into a folder; no report where the input is refused."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in"), Path(folder, "out")
        source.mkdir()
        write(source)
        shards, _ = discover([str(source)])
        try:
            yield run(Job(config=config, shards=shards, out=str(out))), out
        except InputError:
            assert not out.exists()
            yield None, out
