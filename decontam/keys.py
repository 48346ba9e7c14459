"""Keys: what makes pseudonyms and hashes of values ours alone. A key comes from the environment or a file, is held in
memory by the chain that uses it, and goes nowhere else: configs, manifests and pickles know only where it is.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from typing import NoReturn

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from decontam.errors import ConfigError

_LEAST = 16  # bytes: whoever can guess the key can guess values until their hashes fit


class Key:
    """A secret that hashes values. It cannot be printed or pickled.

    >>> key = Key(b"a key for an example")
    >>> key.digest("EMAIL", "a@b.cn") == key.digest("EMAIL", "a@b.cn") != key.digest("EMAILa", "@b.cn")
    True
    >>> key
    Key(e08084ba)
    """

    __slots__ = ("_secret", "id")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.id = self.digest("decontam key id").hex()[:8]
        """Tells one key from another and nothing of either."""

    def digest(self, *parts: str) -> bytes:
        """HMAC-SHA-256 of texts, which are told apart."""
        return hmac.digest(self._secret, "\0".join(parts).encode("utf-8", "surrogatepass"), hashlib.sha256)

    def __repr__(self) -> str:
        return f"Key({self.id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is read where it is used and is never written down")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class KeySource:
    """Where the key is: the name of an environment variable, or a file. One of them."""

    env: str | None = None
    file: str | None = None

    def read(self) -> Key:
        """The key; white space around it does not count. Raises ConfigError where there is none, or one too short to be safe."""
        if (self.env is None) == (self.file is None):
            raise ConfigError("policy.key: name either env, a variable of the environment, or file")
        if self.env is not None:
            where, secret = f"the environment variable {self.env}", os.fsencode(os.environ.get(self.env, "")).strip()
        else:
            where, secret = f"the file {self.file}", _content(str(self.file))
        if not secret:
            raise ConfigError(f"policy.key: {where} is not set or empty; put a secret of {_LEAST} bytes or more there")
        if len(secret) < _LEAST:
            raise ConfigError(f"policy.key: {where} holds {len(secret)} bytes; a key has at least {_LEAST}")
        return Key(secret)


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"policy.key: {path}: {error.strerror}; name a file that holds a secret") from None
