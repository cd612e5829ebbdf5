"""What somebody's API costs, by the tokens that it reads and writes.

Where prices come from, and which model answered, is not its business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inhouse.core.nouns import Endpoint
from inhouse.core.protocols import Usage

MILLION = 1_000_000
DIGITS = 12


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a million tokens read and of a million written, in some unit such as USD."""

    input: float
    output: float
    unit: str

    def of(self, usage: Usage) -> float:
        """Return what the tokens of an answer cost."""
        read, written = usage.prompt_tokens * self.input, usage.completion_tokens * self.output
        return round((read + written) / MILLION, DIGITS)


Prices = Mapping[tuple[str, str, str], Price]
"""By the name of an endpoint, the address of an API and what that calls the model."""


def price_of(endpoint: Endpoint, prices: Prices) -> Price | None:
    """Return the price of an endpoint's API, or None where none is known."""
    api = endpoint.params.get("api")
    return prices.get((endpoint.ref.name, api["url"], api["name"])) if api else None
