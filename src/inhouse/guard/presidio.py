"""Presidio as one more finder, for those who have it: ``pip install 'inhouse[presidio]'``.

Only its recognisers of patterns are used, so it needs no model and asks no network. Types of ours
have our names; those that only Presidio knows keep its own, in small letters.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from inhouse.core.errors import MissingExtra
from inhouse.guard.finding import Finding

_TYPES = {
    "EMAIL_ADDRESS": "email", "URL": "url", "IP_ADDRESS": "ip", "CREDIT_CARD": "card",
    "IBAN_CODE": "iban", "US_SSN": "ssn", "PHONE_NUMBER": "phone", "PERSON": "person",
    "LOCATION": "place", "ORGANIZATION": "organisation",
}  # fmt: skip


class Presidio:
    """Finds what Presidio's recognisers of patterns find in a language.

    Raises:
        MissingExtra: in the first search, if Presidio is not installed.
    """

    def __init__(self, language: str = "en") -> None:
        self._language = language

    def find_many(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return what is found in each text; findings may overlap."""
        return [
            [
                Finding(r.start, r.end, _TYPES.get(r.entity_type, r.entity_type.lower()), r.score)
                for r in self._engine.analyze(text, self._language)
            ]
            for text in texts
        ]

    @cached_property
    def _engine(self) -> Any:  # noqa: ANN401
        try:
            from presidio_analyzer import AnalyzerEngine
            from presidio_analyzer.nlp_engine import NlpEngineProvider
        except ImportError as error:
            raise MissingExtra("Presidio as a finder", "presidio") from error
        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
        models = [{"lang_code": self._language, "model_name": "none"}]
        provider = NlpEngineProvider(
            nlp_configuration={"nlp_engine_name": "no_op", "models": models}
        )
        return AnalyzerEngine(
            nlp_engine=provider.create_engine(), supported_languages=[self._language]
        )
