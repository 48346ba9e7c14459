"""What other tools find in the texts on standard input (a JSON list): {peer: [[[start, end, kind], ...], ...]}, or why a peer is absent.

Run by the interpreter that has them (`quality_pii.py --peers PYTHON`); it needs nothing of ours. Presidio runs its patterns alone, from a
score of 0.4, on a blank tokenizer: its names need a model.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Callable

KINDS = {
    "EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "IP_ADDRESS": "IP", "CREDIT_CARD": "CREDIT_CARD", "IBAN_CODE": "IBAN",
    "US_SSN": "US_SSN", "MAC_ADDRESS": "MAC", "email": "EMAIL", "phone": "PHONE", "credit_card": "CREDIT_CARD",
    "social_security_number": "US_SSN", "ABA_ROUTING_NUMBER": "ABA_ROUTING", "US_ITIN": "US_ITIN", "UK_NHS": "UK_NHS",
    "national_insurance_number": "UK_NINO", "ES_NIF": "ES_DNI", "IT_FISCAL_CODE": "IT_CF", "IT_VAT_CODE": "IT_IVA",
    "SG_NRIC_FIN": "SG_NRIC", "FI_PERSONAL_IDENTITY_CODE": "FI_HETU", "TH_TNIN": "TH_PIN", "AU_TFN": "AU_TFN", "AU_ABN": "AU_ABN",
}  # fmt: skip
Finder = Callable[[str], list[tuple[int, int, str]]]


def datatrove() -> Finder:
    from datatrove.pipeline.formatters.pii import PIIFormatter

    formatter = PIIFormatter()

    def find(text: str) -> list[tuple[int, int, str]]:
        found = [(*match.span(), "EMAIL") for match in formatter.emails_replacer.regex.finditer(text)]
        for match in formatter.ip_replacer.regex.finditer(text):
            try:
                if ipaddress.ip_address(match.group()).is_global:
                    found.append((*match.span(), "IP"))
            except ValueError:
                continue
        return found

    return find


def presidio() -> Finder:
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            """Nothing: the tokenizer is there."""

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
    kinds = [kind for kind in engine.get_supported_entities("en") if kind not in {"PERSON", "LOCATION", "NRP", "DATE_TIME", "URL"}]

    def find(text: str) -> list[tuple[int, int, str]]:
        hits = engine.analyze(text, language="en", entities=kinds, score_threshold=0.4)
        return [(hit.start, hit.end, KINDS.get(hit.entity_type, hit.entity_type)) for hit in hits]

    return find


def scrubadub() -> Finder:
    import scrubadub

    scrubber = scrubadub.Scrubber(locale="en_US")
    return lambda text: [(filth.beg, filth.end, KINDS.get(filth.type, filth.type)) for filth in scrubber.iter_filth(text)]


def main() -> None:
    texts = json.load(sys.stdin)
    found: dict[str, object] = {}
    for peer in (datatrove, presidio, scrubadub):
        try:
            find = peer()
        except Exception as error:  # noqa: BLE001 - what does not load is reported, whatever it says
            found[peer.__name__] = f"not run: {type(error).__name__}: {error}"[:200]
            continue
        found[peer.__name__] = [find(text) for text in texts]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
