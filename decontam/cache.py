"""Cache: what is dear to compute and depends on nothing but its key, kept on disk between runs.

A cache that cannot be read or written costs time, never a result.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs


def folder() -> Path:
    """Where the cache is; the environment variable `DECONTAM_CACHE` names another place."""
    return Path(os.environ.get("DECONTAM_CACHE") or platformdirs.user_cache_path("decontam"))


def key_of(*parts: str | bytes) -> str:
    """A name for what depends on exactly these parts."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()[:32]


def cached(name: str, compute: Callable[[], bytes], usable: Callable[[bytes], bool] = bool) -> bytes:
    """The bytes that `compute` makes, from the disk if they were made before and are still `usable`.

    `name` must depend on all that the result does; see `key_of`.
    """
    path = folder() / name
    with suppress(OSError):
        content = path.read_bytes()
        if usable(content):
            return content
    content = compute()
    _save(path, content)
    return content


def _save(path: Path, content: bytes) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
