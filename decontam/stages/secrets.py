"""Credentials: keys, tokens, passwords, private keys. Where formats overlap, the surest one is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from decontam.scan import Scanner, findings
from decontam.types import Finding
from decontam.view import View


@dataclass(frozen=True)
class Secrets:
    scanner: Scanner
    name: str = "secrets"

    @classmethod
    def load(cls, options: Mapping[str, Any], scanner: Scanner) -> Secrets:
        return cls(scanner)

    def inspect(self, view: View) -> list[Finding]:
        return findings(self.name, self.scanner, view)
