"""The thresholds of the quality rules, by preset: what a share or a count may be at most or least.

How they are counted is said in `inhouse.data.kernels.quality`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Preset = Literal["documents", "web", "code"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

# Rule -> (documents, web, code); None where a rule is not asked. Those of the web are Gopher's
# (arXiv 2112.11446) and FineWeb's (arXiv 2406.17557); with them 85 of 100 documents of engineers
# were lost, since in Markdown punctuation counts as words. Those of code are Codex's
# (arXiv 2107.03374).
LIMITS: Mapping[str, tuple[float | None, float | None, float | None]] = {
    "fewest_words": (20, 50, 10),
    "most_words": (None, 100_000, None),
    "shortest_mean_word": (2, 3, None),
    "longest_mean_word": (15, 10, None),
    "most_hashes": (0.5, 0.1, None),
    "most_ellipses": (0.3, 0.1, None),
    "most_bullet_lines": (None, 0.9, None),
    "most_ellipsis_lines": (0.5, 0.3, None),
    "fewest_words_with_letters": (0.25, 0.8, None),
    "fewest_stop_words": (None, 2, None),
    "most_repeated_paragraphs": (0.5, 0.3, None),
    "most_repeated_paragraph_characters": (0.5, 0.2, None),
    "most_repeated_lines": (0.6, 0.3, None),
    "most_repeated_line_characters": (0.5, 0.2, None),
    "most_top_2_grams": (0.4, 0.2, None),
    "most_top_3_grams": (0.36, 0.18, None),
    "most_top_4_grams": (0.32, 0.16, None),
    "most_repeated_5_grams": (0.45, 0.15, None),
    "most_repeated_6_grams": (0.43, 0.14, None),
    "most_repeated_7_grams": (0.41, 0.13, None),
    "most_repeated_8_grams": (0.39, 0.12, None),
    "most_repeated_9_grams": (0.37, 0.11, None),
    "most_repeated_10_grams": (0.35, 0.1, None),
    "fewest_sentences": (None, None, None),
    "fewest_ended_lines": (None, 0.12, None),
    "most_short_lines": (None, 0.67, None),
    "most_repeated_characters": (None, 0.01, None),
    "most_line_breaks": (None, 0.3, None),
    "longest_line": (None, None, 1_000),
    "longest_mean_line": (None, None, 100),
    "fewest_letters_and_digits": (None, None, 0.25),
}


def limits(preset: Preset) -> dict[str, float | None]:
    """Return the thresholds of a preset by rule."""
    return {rule: values[PRESETS.index(preset)] for rule, values in LIMITS.items()}
