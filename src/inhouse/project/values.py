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
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


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


def bytes_of(size: str) -> int:
    """Return how many bytes a size such as 4MiB is."""
    return int(size[:-3]) * UNITS[size[-3:]]


Name = Annotated[str, BeforeValidator(_name, json_schema_input_type=str)]
Group = Annotated[str, BeforeValidator(_group, json_schema_input_type=str)]
LabelText = Annotated[str, BeforeValidator(_label, json_schema_input_type=str)]
Address = Annotated[str, BeforeValidator(_address, json_schema_input_type=str)]
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
