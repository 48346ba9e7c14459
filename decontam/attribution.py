"""Attribution: whose trace a record holds, as exactly as all of its findings together can say.

Many formats are shared: what OpenAI invented, a dozen servers speak. A rule therefore names everyone whose trace it may be,
the likeliest first, and a name that begins with `any-` stands for all who share the format. The provider who could have left
every trace is the one; of several such, the one whom the traces name most exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from decontam.types import Finding, Strength

_SHARED = "any-"
_SAYS = {Strength.MENTION: 0, Strength.WEAK: 1, Strength.STRONG: 3, Strength.CONCLUSIVE: 6}


def providers_of(finding: Finding) -> tuple[str, ...]:
    """Everyone whose trace it may be, the likeliest first."""
    return tuple(finding.detail.get("providers") or ([finding.provider] if finding.provider else []))


def is_shared(providers: Iterable[str]) -> bool:
    """Whether the format is one that others than those named speak too."""
    return any(name.startswith(_SHARED) for name in providers)


def attributed(findings: Iterable[Finding]) -> str | None:
    """The provider whom the findings point to; None where none of them names one.

    Each rule counts once, as often as it may have matched.
    """
    evidence: dict[str, tuple[int, tuple[str, ...]]] = {}
    for finding in findings:
        providers = providers_of(finding)
        if providers and finding.strength > Strength.MENTION:
            evidence[finding.name] = max(evidence.get(finding.name, (0, providers)), (_SAYS[finding.strength], providers))
    if not evidence:
        return None
    weighed = [evidence[rule] for rule in sorted(evidence)]
    named = sorted({name for _, providers in weighed for name in providers})
    return max(named, key=lambda name: _weight(name, weighed))


def _weight(name: str, evidence: Sequence[tuple[int, tuple[str, ...]]]) -> tuple[int, float]:
    """How much of the evidence the provider explains, and how exactly the evidence names it."""
    explained = sum(says for says, providers in evidence if name in providers or is_shared(providers))
    exactly = sum(says / (1 + providers.index(name)) / len(providers) for says, providers in evidence if name in providers)
    return explained, exactly


def resolved(findings: Iterable[Finding], provider: str | None) -> tuple[Finding, ...]:
    """The findings, naming `provider` wherever they may be its traces."""
    return tuple(
        replace(finding, provider=provider, detail={**finding.detail, "providers": list(providers_of(finding))})
        if provider and finding.provider not in (None, provider) and (provider in providers_of(finding) or is_shared(providers_of(finding)))
        else finding
        for finding in findings
    )
