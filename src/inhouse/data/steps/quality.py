"""Drops texts that count as poor: repetition, odd words, no prose. Presets say what is too much.

The counting is the business of `inhouse.data.kernels.quality`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inhouse.core.errors import BadInput, nearest
from inhouse.data.presets import PRESETS, limits
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Verdict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CODE = 1
NEEDS: tuple[str, ...] = ("numba",)
MAIN = "preset"
SHOWN = ".4g"


@dataclass(frozen=True, slots=True)
class Lines:
    """C4's rules of lines: each line that is no prose is taken out of its text.

    Lines of fewer than three words go, those with words of over 1,000 characters and those that
    speak of cookies and terms of use; so do headings and the indentation of code. `terminal` asks
    for a full stop or the like at the end of a line, `javascript` drops lines that name it, and
    `brackets` drops the texts that hold a curly bracket.
    """

    terminal: bool = False
    javascript: bool = False
    brackets: bool = False


@dataclass(frozen=True, slots=True)
class Quality:
    """A threshold for each rule, None where it is not asked; `lines` if lines are taken out."""

    limits: Mapping[str, float | None]
    lines: Lines | None = None


def read(value: object) -> Quality:
    """Return the settings of ``{quality: web}``, or of ``{quality: {preset: web, RULE: number}}``.

    Raises:
        BadInput: there is no such preset or rule, or its threshold is no number.
    """
    given: dict[Any, Any] = dict(value) if isinstance(value, Mapping) else {MAIN: value}
    given |= given.pop("limits", {})
    preset = given.pop(MAIN, None) or PRESETS[0]
    if preset not in PRESETS:
        near = nearest(str(preset), PRESETS)
        known = f"Did you mean {near!r}?" if near else f"Known: {', '.join(PRESETS)}."
        raise BadInput(f"there is no preset {preset!r}.", known)
    lines = given.pop("lines", None)
    chosen = limits(preset)
    for rule, limit in given.items():
        if rule not in chosen:
            near = nearest(str(rule), (*chosen, MAIN, "lines"))
            known = f"Did you mean {near!r}?" if near else f"Known: {', '.join(chosen)}."
            raise BadInput(f"there is no rule {rule!r}.", known)
        number = isinstance(limit, int | float) and not isinstance(limit, bool) and limit >= 0
        if limit is not None and not number:
            raise BadInput(
                f"{rule!r} is {limit!r}.", "Write a number of 0 or more, or null to leave it out."
            )
        chosen[rule] = limit
    return Quality(chosen, _lines(lines))


def _lines(given: object) -> Lines | None:
    if given is None or given is False:
        return None
    return Lines() if given is True else read_settings(Lines, given)


def start(settings: Quality, given: Given) -> Judge:
    """Make the step ready for work."""
    return Judge(settings)


class Judge:
    """Judges texts by the rules; compiled when the first batch comes."""

    def __init__(self, settings: Quality) -> None:
        import numpy as np

        from inhouse.data.kernels.quality import RULES

        self._rules, self._settings, lines = RULES, settings, settings.lines
        wanted = [settings.limits.get(rule) for rule in RULES]
        self._limits = np.array([np.nan if limit is None else limit for limit in wanted])
        self._switches = np.array(
            [lines is not None]
            + ([lines.terminal, lines.javascript, lines.brackets] if lines else [False] * 3)
        )

    def judge(self, batch: Batch) -> Verdict:
        """Drop texts that break a rule; the value is what was counted."""
        from inhouse.data.buffers import buffers
        from inhouse.data.kernels.quality import KEPT, judged

        data, offsets = buffers(batch.texts)
        broken, values, text, places = judged(data, offsets, self._limits, self._switches)
        dropped = [
            Note(row, self._rules[rule], format(value, SHOWN), self._limit(self._rules[rule]))
            for row, (rule, value) in enumerate(zip(broken.tolist(), values.tolist(), strict=True))
            if rule != KEPT
        ]
        rows = self._rewritten(batch, text, places) if self._settings.lines else None
        return Verdict(dropped, rows=rows)

    def _limit(self, rule: str) -> str:
        limit = self._settings.limits.get(rule)
        return "" if limit is None else format(limit, "g")

    def _rewritten(
        self, batch: Batch, text: npt.NDArray[np.uint8], places: npt.NDArray[np.int32]
    ) -> Any:  # noqa: ANN401
        """Return documents and examples with their lines as they are now; chats stay whole."""
        import pyarrow as pa

        if "text" not in batch.rows.column_names:
            return None
        now = pa.StringArray.from_buffers(len(batch), pa.py_buffer(places), pa.py_buffer(text))
        place = batch.rows.column_names.index("text")
        return batch.rows.set_column(place, batch.rows.schema.field("text"), now)
