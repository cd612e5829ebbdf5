"""What single values in inhouse.yaml may be: names, labels, addresses, steps and the like.

Which keys an entry has is said in `inhouse.project.schema`.
"""

from __future__ import annotations

import re
import reprlib
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from inhouse.core.artifact import NAME
from inhouse.core.errors import InhouseError
from inhouse.core.label import Label, check_group

DIGEST = r"^[0-9a-f]{64}$"
DAYS = r"^[1-9]\d{0,4}d$"
SIZE = r"^[1-9]\d{0,3}(KiB|MiB|GiB)$"
GUARD_WAYS = ("mask", "refuse")
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SHARE = r"^\d{1,2}(\.\d{1,3})?%$"
COUNT = r"^[1-9]\d{0,5}(\.\d{1,3})?(k|M|B)$"
SPAN = r"^[1-9]\d{0,4}k$"
CLUSTER = r"ray://[^/\s:@]+:\d{1,5}"
THOUSANDS = {"k": 10**3, "M": 10**6, "B": 10**9}


def _one_or_more(value: object) -> object:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise ValueError("this is neither text nor a list of texts.\nWrite one or more.")
    return value


def _digest(value: object) -> object:
    if value is not None and not (isinstance(value, str) and re.fullmatch(DIGEST, value)):
        raise ValueError(
            f"{reprlib.repr(value)} is no sha256.\n"
            "Write its 64 digits, which are 0-9 and a-f, in quotes."
        )
    return value


def _days(value: object) -> object:
    if value is not None and not (isinstance(value, str) and re.fullmatch(DAYS, value)):
        raise ValueError(
            f"{reprlib.repr(value)} is no number of days.\n"
            "Write such as 90d, up to 99999d, or leave it out to keep all."
        )
    return value


def _size(value: object) -> object:
    if not (isinstance(value, str) and re.fullmatch(SIZE, value)):
        raise ValueError(f"{reprlib.repr(value)} is no size.\nWrite such as 512KiB or 4MiB.")
    return value


def _name(value: object) -> object:
    if not isinstance(value, str) or not NAME.match(value) or "/" in value:
        raise ValueError(
            f"{reprlib.repr(value)} is no name.\nUse lower-case letters, digits, '.', '_' and '-'."
        )
    return value


def _group(value: object) -> object:
    try:
        return check_group(value) if isinstance(value, str) else value
    except InhouseError as error:
        raise ValueError(f"{error.what}\n{error.fix}") from error


def _label(value: object) -> object:
    try:
        if isinstance(value, str):
            Label.parse(value)
    except InhouseError as error:
        raise ValueError(f"{error.what}\n{error.fix}") from error
    return value


def _secret(value: object) -> object:
    named = isinstance(value, str) and re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", value)
    if value is not None and not named:
        raise ValueError(
            "a secret does not belong in a file.\n"
            "Write ${NAME} and set the environment variable NAME."
        )
    return value


def _address(value: object) -> object:
    # It is stored, so it is not shown either: somebody may have put the key into it.
    if not isinstance(value, str) or not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", value):
        raise ValueError(
            "this is no base URL, or has a password or a query in it.\n"
            "Write https://HOST/v1, and the key as key: ${NAME}."
        )
    return value


def _step(value: object) -> object:
    from inhouse.data.recipe import read_step

    try:
        read_step(value)
    except InhouseError as error:
        raise ValueError(f"{error.what}\n{error.fix}") from error
    return value


def _guarded_in(value: object) -> object:
    if value not in (["pii"], *([{"pii": way}] for way in GUARD_WAYS)):
        raise ValueError(
            f"{reprlib.repr(value)} guards no requests.\n"
            "Write [pii], which masks personal data, or [{pii: refuse}]."
        )
    return value


def _guarded_out(value: object) -> object:
    if isinstance(value, list) and "toxicity" in value:
        raise ValueError(
            "answers are not looked through for toxicity.\nWrite [pii]; what is toxic is noted in "
            "data sets, by the step toxicity."
        )
    if value != ["pii"]:
        raise ValueError(f"{reprlib.repr(value)} guards no answers.\nWrite [pii].")
    return value


def _count(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(COUNT, value):
        return round(float(value[:-1]) * THOUSANDS[value[-1]])
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"{reprlib.repr(value)} is no number of tokens.\nWrite such as 500k, 2M or 1.5B."
        )
    return value


def _span(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(SPAN, value):
        return int(value[:-1]) * 1024
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"{reprlib.repr(value)} is no such number.\n"
            "Write such as 8192, or 8k, which is the same."
        )
    return value


def _cluster(value: object) -> object:
    if value is not None and not (isinstance(value, str) and re.fullmatch(CLUSTER, value)):
        raise ValueError(
            f"{reprlib.repr(value)} is no Ray cluster.\nWrite such as ray://head:10001."
        )
    return value


def _share(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(SHARE, value):
        value = float(value[:-1]) / 100
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(f"{reprlib.repr(value)} is no share.\nWrite such as 2% or 0.02.")
    return float(value)


def _data_ref(value: object) -> object:
    if not isinstance(value, str) or not value.startswith("data/"):
        raise ValueError(f"{reprlib.repr(value)} is no data set.\nWrite data/NAME.")
    return value


def checked_mix(value: object) -> object:
    """Return a mix as data sets with what stands beside each, None if one or more stand alone.

    Raises:
        ValueError: it is none.
    """
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, list):
        doubled = [ref for place, ref in enumerate(listed) if ref in listed[:place]]
        if doubled:
            raise ValueError(f"{doubled[0]!r} stands here twice.\nTake one of them out.")
        for ref in listed:
            _data_ref(ref)
        return dict.fromkeys(listed)
    if not isinstance(value, dict):
        raise ValueError(
            "data sets should stand here.\nWrite data/NAME, [data/A, data/B] or "
            "{data/A: 0.6, data/B: 0.4}."
        )
    bare = [ref for ref, weight in value.items() if weight is None]
    if bare:
        raise ValueError(f"{bare[0]!r} has no weight.\nWrite {{{bare[0]}: 0.5}}, for example.")
    return value


def bytes_of(size: str) -> int:
    """Return how many bytes a size such as 4MiB is."""
    return int(size[:-3]) * UNITS[size[-3:]]


Name = Annotated[str, BeforeValidator(_name, json_schema_input_type=str)]
Group = Annotated[str, BeforeValidator(_group, json_schema_input_type=str)]
LabelText = Annotated[str, BeforeValidator(_label, json_schema_input_type=str)]
Address = Annotated[str, BeforeValidator(_address, json_schema_input_type=str)]
Cluster = Annotated[str, BeforeValidator(_cluster, json_schema_input_type=str)]
Secret = Annotated[str, BeforeValidator(_secret, json_schema_input_type=str)]
Texts = Annotated[
    list[str],
    BeforeValidator(_one_or_more, json_schema_input_type=str | list[str]),
    Field(min_length=1),
]
Sha256 = Annotated[
    str,
    BeforeValidator(
        _digest, json_schema_input_type=Annotated[str, StringConstraints(pattern=DIGEST)]
    ),
]
Days = Annotated[
    str,
    BeforeValidator(_days, json_schema_input_type=Annotated[str, StringConstraints(pattern=DAYS)]),
]
Size = Annotated[
    str,
    BeforeValidator(_size, json_schema_input_type=Annotated[str, StringConstraints(pattern=SIZE)]),
]
Text = Annotated[str, StringConstraints(min_length=1)]
DataStep = Annotated[Any, BeforeValidator(_step, json_schema_input_type=str | dict[str, Any])]
GuardIn = Annotated[
    list[Any], BeforeValidator(_guarded_in, json_schema_input_type=list[str | dict[str, str]])
]
GuardOut = Annotated[list[str], BeforeValidator(_guarded_out, json_schema_input_type=list[str])]
Count = Annotated[
    int,
    BeforeValidator(
        _count,
        json_schema_input_type=int | Annotated[str, StringConstraints(pattern=COUNT)],
    ),
]
Span = Annotated[
    int,
    BeforeValidator(
        _span, json_schema_input_type=int | Annotated[str, StringConstraints(pattern=SPAN)]
    ),
]
"""A number of tokens or words, of which 1k is 1024 as those who name models say it."""
Share = Annotated[
    float,
    BeforeValidator(
        _share,
        json_schema_input_type=float | Annotated[str, StringConstraints(pattern=SHARE)],
    ),
]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
DataRef = Annotated[str, BeforeValidator(_data_ref, json_schema_input_type=str)]
Mix = Annotated[
    dict[DataRef, Weight | None],
    BeforeValidator(checked_mix, json_schema_input_type=str | list[str] | dict[str, float]),
    Field(min_length=1),
]
"""Data sets with their weights, or all without one: each then as much as it holds."""
