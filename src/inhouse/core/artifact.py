"""Artifacts: things derived by a recipe from other artifacts, named by references.

The version is known before the work is done; the digest after it. Storing them is the catalog's
business.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from inhouse.core.errors import BadInput
from inhouse.core.label import Label

SECTIONS = ("data", "knowledge", "models", "suites", "endpoints", "reports", "traces")
NAME = re.compile(r"[a-z0-9][a-z0-9._\-]*(/[a-z0-9][a-z0-9._\-]*)?\Z")
HEX = re.compile(r"[0-9a-f]{4,64}\Z")
VERSION_DIGITS = 64

Flow = Literal["carry", "filter", "inherit"]


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """A name for an artifact: ``section/name`` or, pinned, ``section/name@version``.

    A name may have one part more, for a form derived from the thing itself:
    ``models/base/openvino-int8``. A version may be cut short to four or more hex digits.
    """

    section: str
    name: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read ``section/name[@version]``.

        Raises:
            BadInput: the text is not of that form.
        """
        path, at, version = text.partition("@")
        section, _, name = path.partition("/")
        if at and not HEX.match(version):
            raise BadInput(
                f"{text!r} is not a reference: {version!r} is no version.",
                "Write four or more of its digits, which are 0-9 and a-f, or leave it out.",
            )
        if section not in SECTIONS or not NAME.match(name):
            raise BadInput(
                f"{text!r} is not a reference.",
                f"Write section/name or section/name@version, where section is one of "
                f"{', '.join(SECTIONS)}, in lower case.",
            )
        return cls(section, name, version or None)

    @property
    def path(self) -> str:
        """The reference without its version."""
        return f"{self.section}/{self.name}"

    @property
    def pinned(self) -> str:
        """The reference with all digits of its version, if it has one."""
        return f"{self.path}@{self.version}" if self.version else self.path

    def at(self, version: str) -> Ref:
        """Return the reference pinned to a version."""
        return Ref(self.section, self.name, version)

    def __str__(self) -> str:
        return f"{self.path}@{self.version[:8]}" if self.version else self.path


@dataclass(frozen=True, slots=True)
class Edge:
    """One parent of an artifact.

    Through ``carry`` the child takes on the parent's label whole, because its bytes were made
    from all of the parent. Through ``filter`` the parent is asked item by item under its own
    labels (an endpoint asking a knowledge base), so its label joins each answer instead. Through
    ``inherit`` the child takes on the parent's label whole too, but its bytes are not opened for
    the making and may go (a day of traces, and the models that answered).
    """

    role: str
    parent: Ref
    flow: Flow = "carry"


@dataclass(frozen=True, slots=True)
class File:
    """One file of an artifact: its sha256 and its size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """An immutable thing in the catalog; `label` is the one in force when it was read.

    `gone` says whether its bytes were collected or deleted; what is known of it stays.
    """

    ref: Ref
    recipe: str
    code: int
    params: Mapping[str, Any]
    parents: tuple[Edge, ...]
    digest: str
    files: Mapping[str, File]
    label: Label
    created: datetime
    actor: str
    seconds: float
    summary: Mapping[str, Any]
    gone: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(f.size for f in self.files.values())


@dataclass(frozen=True, slots=True)
class Input:
    """An artifact opened for reading: its verified files lie in `folder`."""

    artifact: Artifact
    folder: Path


def identity(spec: object) -> dict[str, Any]:
    """Return the fields of a spec that decide its result.

    A field declared with ``metadata={"identity": False}`` is left out: it says how to do the work
    (where a folder happens to lie), or goes along and makes nothing new (when a file was modified).
    One declared with ``metadata={"identity": "unless default"}`` is left out while it has its
    default: so a field can come later, and versions that were made before it stay what they are.
    """
    if not dataclasses.is_dataclass(spec) or isinstance(spec, type):
        raise TypeError(f"a spec is a dataclass, not {type(spec).__name__}")
    found = {}
    for f in dataclasses.fields(spec):
        decides, value = f.metadata.get("identity", True), getattr(spec, f.name)
        given = f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
        if decides is True or (decides and value != given):
            found[f.name] = value
    return found


def canonical(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def version_of(
    path: str, recipe: str, code: int, params: Mapping[str, Any], inputs: Mapping[str, str]
) -> str:
    """Return the version that a recipe will have: a sha256, known before the work is done.

    Args:
        path: the name it is made under. Labels belong to names, so two names never share a
            version; they do share the bytes.
        recipe: name of the stage.
        code: code version of the stage, raised by hand when its results change.
        params: JSON-able parameters that decide the result.
        inputs: role of each parent -> its flow and full version.
    """
    whole = {
        "path": path,
        "recipe": recipe,
        "code": code,
        "params": params,
        "inputs": dict(inputs),
    }
    return hashlib.sha256(canonical(whole).encode()).hexdigest()


def digest_of(files: Mapping[str, File]) -> str:
    """Return the digest of an artifact's bytes: the sha256 of its sorted list of files."""
    listing = "".join(f"{f.digest} {path}\n" for path, f in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()
