"""The card of a classifier: what it is made from, how good it is, and where it goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WAYS = {
    "tuned": "encoder and head learnt together",
    "frozen": "the encoder as it was, with logistic regression",
    "contrast": "the encoder after a contrast of classes, with logistic regression",
}


def card(told: Mapping[str, Any], settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Return the card as Markdown."""
    point = told["abstains"]
    lines = [
        "# A classifier of texts",
        "",
        f"Base: {inputs['base']} (licence: {told['licence'] or 'not said'}).",
        f"Examples: {inputs['examples']}, {told['examples']} of {told['classes']} classes, "
        f"{told['smallest_class']} to {told['largest_class']} each.",
        f"Trained: {WAYS[told['way']]}.",
        "",
        "## How good it is",
        "",
        f"On {told['held_out']} texts that were held out{_chosen(told)}:",
        "",
        f"- accuracy {told['accuracy']:.2%}, macro-F1 {told['macro_f1']:.2%}",
        f"- confidence off by {told['miscalibration']:.2%} on average, after scores were divided "
        f"by {told['temperature']:g}",
        f"- with less than {point['below']:.2%} confidence it abstains: it answers "
        f"{point['answered']:.2%} of them, and {point['right']:.2%} of its answers are right",
        "",
        "Choices were made on the same texts, so expect a little less on others.",
        "",
    ]
    if told["confused"]:
        lines += ["## Taken for each other", "", "| wanted | said | times |", "|---|---|---|"]
        lines += [f"| {_cell(w)} | {_cell(s)} | {many} |" for w, s, many in told["confused"]]
        lines.append("")
    lines += ["## Settings", "", *(f"- {name}: {value}" for name, value in settings.items()), ""]
    return "\n".join(lines)


def _chosen(told: Mapping[str, Any]) -> str:
    if told["way"] == "tuned":
        return f", after epoch {told['epoch']} of {len(told['accuracy_by_epoch'])}"
    tried = " and ".join(f"{share:.2%} {way}" for way, share in told["tried"].items())
    return f", fold by fold ({tried})"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
