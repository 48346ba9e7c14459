"""Signing: Ed25519 signatures over the run digest and the head of the log of what was done since; by `cryptography`.

What is signed is `decontam-proof-1`, a newline, and the canonical JSON of `run` and `ledger`: the run digest, and the digest of the last
entry of `review/ledger.jsonl` or null where there is none. A signature is for what is there when it is made: what is released or expired
later wants another one. Keys are PEM files as `openssl genpkey -algorithm ed25519` makes them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from decontam import manifest
from decontam.errors import InputError
from decontam.folders import Folder
from decontam.proof import canonical

SCHEMA = 1
NAME = "proof/signatures.json"
_MESSAGE = b"decontam-proof-1\n"


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        raise InputError("signatures need the library cryptography; install decontam[sign]") from None
    return serialization


def _message(run: str, ledger: str | None) -> bytes:
    return _MESSAGE + canonical({"run": run, "ledger": ledger})


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a PEM file with an Ed25519 key") from None


def _raw(public: Any) -> bytes:
    serialization = _library()
    return bytes(public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))


def key_name(public: bytes) -> str:
    """What a public key is called: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


@dataclass(frozen=True, repr=False)
class Signer:
    """A private key at work."""

    private: Any

    @classmethod
    def of(cls, path: str) -> Signer:
        """The key in a PEM file. Raises InputError where it is none, wants a password, or the library is missing."""
        serialization = _library()
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        try:
            private = serialization.load_pem_private_key(_content(path), None)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: not a private key in PEM without a password ({type(error).__name__}); {_MAKE}") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise InputError(f"{path}: not an Ed25519 key; {_MAKE}")
        return cls(private)

    def signature(self, run: str, ledger: str | None) -> dict[str, Any]:
        public = _raw(self.private.public_key())
        signed = self.private.sign(_message(run, ledger)).hex()
        return {
            "run": run,
            "ledger": ledger,
            "at": manifest.now(),
            "public_key": public.hex(),
            "key": key_name(public),
            "signature": signed,
        }


_MAKE = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"


def signatures(folder: Folder) -> list[dict[str, Any]]:
    """The signatures of a run, the oldest first. Raises InputError where the file holds none."""
    content = folder.read(NAME)
    if content is None:
        return []
    try:
        made = orjson.loads(content)["signatures"]
        return [{key: each[key] for key in ("run", "ledger", "at", "public_key", "key", "signature")} for each in made]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{folder.path(NAME)}: holds no signatures; it was changed or cut off") from None


def sign(folder: Folder, signer: Signer, run: str, ledger: str | None = None) -> dict[str, Any]:
    """Add a signature to those of a run, if there is none like it. Raises OSError."""
    made, before = signer.signature(run, ledger), signatures(folder)
    if same := next((each for each in before if each["signature"] == made["signature"]), None):  # Ed25519 signs the same the same way
        return same
    content = {"schema": SCHEMA, "signatures": [*before, made]}
    with folder.publishing(NAME) as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return made


def public_key(path: str) -> bytes:
    """The 32 bytes of the public key in a PEM file; a private one will do. Raises InputError where it is none."""
    serialization = _library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    content = _content(path)
    try:
        if b"PRIVATE KEY" in content:
            return _raw(Signer.of(path).private.public_key())
        public = serialization.load_pem_public_key(content)
    except ValueError:
        raise InputError(f"{path}: not a public key in PEM; make it with: openssl pkey -in key.pem -pubout") from None
    if not isinstance(public, Ed25519PublicKey):
        raise InputError(f"{path}: not an Ed25519 key; {_MAKE}")
    return _raw(public)


def holds(made: dict[str, Any], public: bytes) -> bool:
    """Whether a signature is by the owner of that public key."""
    _library()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(made["signature"]), _message(made["run"], made["ledger"]))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
