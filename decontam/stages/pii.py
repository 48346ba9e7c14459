"""Personal data: addresses, numbers, identities. Where readings of a number overlap, the surest one is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from decontam.scan import Scanner, findings
from decontam.types import Finding
from decontam.view import View


@dataclass(frozen=True)
class Pii:
    scanner: Scanner
    name: str = "pii"

    @classmethod
    def load(cls, options: Mapping[str, Any], scanner: Scanner) -> Pii:
        return cls(scanner)

    def inspect(self, view: View) -> list[Finding]:
        return findings(self.name, self.scanner, view)
