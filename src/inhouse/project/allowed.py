"""Which keys may stand at a place of inhouse.yaml, going by the shapes of its entries."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Tag

from inhouse.project.schema import ProjectFile


def is_tag(step: str | int) -> bool:
    """Say whether a step of a place is the validator's own, and stands in no file."""
    # pydantic puts the branch of a union, and "[key]" for a bad key, among the steps.
    return isinstance(step, str) and (step.startswith("<") or step == "[key]")


def keys_at(place: Sequence[str | int]) -> list[str]:
    """Return the keys that may stand at a place; the tag of a branch may be among its steps."""
    kinds: list[Any] = [ProjectFile]
    for step in place:
        kinds = [inner for kind in kinds for inner in _inside(kind, step)]
    return sorted(key for kind in kinds for model in _models(kind) for key in _fields(model))


def _inside(kind: Any, step: str | int) -> list[Any]:  # noqa: ANN401
    """Return the types of what stands under a key or at an index of a value of some type."""
    if is_tag(step):
        return _tagged(kind, str(step))
    if typing.get_origin(kind) in (dict, list):
        return [typing.get_args(kind)[-1]]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = _fields(kind)
        return [fields[str(step)]] if step in fields else []
    return [found for part in typing.get_args(kind) for found in _inside(part, step)]


def _tagged(kind: Any, tag: str) -> list[Any]:  # noqa: ANN401
    """Return the branch of a union that has a tag."""
    if Tag(tag) in getattr(kind, "__metadata__", ()):
        return [kind]
    return [branch for part in typing.get_args(kind) for branch in _tagged(part, tag)]


def _models(kind: Any) -> list[type[BaseModel]]:  # noqa: ANN401
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    if typing.get_origin(kind) in (dict, list):
        return []
    return [model for part in typing.get_args(kind) for model in _models(part)]


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
