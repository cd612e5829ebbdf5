"""Which columns of a file mean what: given by its owner, or guessed from the first rows.

Reading the rows themselves is the business of `tables`, and what a row becomes that of `typed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inhouse.catalog.rows import Kind
from inhouse.core.errors import BadInput, nearest
from inhouse.data.tables import Fields

TEXT = ("text", "content", "body", "document")
ID = ("id", "_id", "uuid")

# Of each kind, what may stand in a schema, and the columns that are taken for it, best first. The
# kinds stand in the order in which they are tried.
ROLES: Mapping[Kind, Mapping[str, Sequence[str]]] = {
    "preferences": {
        "prompt": ("prompt", "question", "instruction", "input"),
        "chosen": ("chosen",),
        "rejected": ("rejected",),
        "answer": ("answer", "response", "completion", "output", "reply"),
        "good": ("good", "thumb", "thumbs", "thumbs_up", "liked"),
        "id": ID,
    },
    "chats": {
        "messages": ("messages", "conversations", "conversation", "dialogue", "dialog"),
        "prompt": ("prompt", "instruction", "question", "query", "input"),
        "response": ("response", "completion", "output", "answer", "reply"),
        "context": ("context", "input"),
        "system": ("system", "system_prompt"),
        "tools": ("tools", "functions"),
        "id": ID,
    },
    "examples": {
        "text": (*TEXT, "sentence", "utterance", "query", "question", "message"),
        "label": ("label", "category", "intent", "class", "label_text", "topic", "sentiment"),
        "id": ID,
    },
    "documents": {"text": TEXT, "title": ("title", "heading"), "id": (*ID, "path", "url")},
}
# One of these groups must be there.
NEEDED: Mapping[Kind, Sequence[Sequence[str]]] = {
    "preferences": (("chosen", "rejected"), ("prompt", "answer", "good")),
    "chats": (("messages",), ("prompt", "response")),
    "examples": (("text", "label"),),
    "documents": (("text",),),
}
SECTIONS = "heading"


@dataclass(frozen=True, slots=True)
class Shape:
    """Of which kind rows are, and which column holds what: pairs of role and column."""

    kind: Kind
    columns: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Say it as people read it: ``examples: text, label from 'intent'``."""
        named = (role if role == name else f"{role} from {name!r}" for role, name in self.columns)
        return f"{self.kind}: {', '.join(named)}"

    def of(self, fields: Fields) -> dict[str, object]:
        """Return the values of a row by role; what is not there is None."""
        return {role: fields.get(name) for role, name in self.columns}


def shape_of(
    rows: Sequence[Fields], *, kind: Kind | None = None, given: Mapping[str, str] | None = None
) -> Shape:
    """Return the shape of rows.

    Args:
        rows: the first rows of a file.
        kind: the kind they must be of; None leaves it to the columns.
        given: role -> column as the owner says; then nothing is guessed but the kind.

    Raises:
        BadInput: the columns do not tell, or one that is given is not there.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if given:
        return _given(given, kind, columns)
    for each in (kind,) if kind else ROLES:
        found = _guessed(each, columns)
        if found:
            return found
    raise BadInput(
        f"Its columns do not tell what they hold: {', '.join(map(repr, columns)) or 'none'}.",
        f"Say it in inhouse.yaml, such as: schema: {{{_example(kind)}}}.",
    )


def are_sections(rows: Sequence[Fields]) -> bool:
    """Say whether rows are the sections of one document: a column is called ``heading``."""
    return any(name.strip().lower() == SECTIONS for row in rows for name in row)


def kind_of_roles(roles: Sequence[str]) -> Kind | None:
    """Return the kind that a schema with these roles is for; None if there is none."""
    return next((kind for kind in ROLES if _whole(kind, roles)), None)


def unknown_role(roles: Sequence[str], kind: Kind | None) -> tuple[str, str] | None:
    """Return a role that no schema knows, and how to mend it; None if there is none."""
    known = [role for each in ((kind,) if kind else ROLES) for role in ROLES[each]]
    for role in roles:
        if role not in known:
            near = nearest(role, known)
            listing = ", ".join(dict.fromkeys(known))
            return role, f"Did you mean {near!r}?" if near else f"Known here: {listing}."
    return None


def _given(given: Mapping[str, str], kind: Kind | None, columns: Sequence[str]) -> Shape:
    found = kind or kind_of_roles(list(given))
    if found is None or not _whole(found, list(given)):
        wanted = " or ".join(" and ".join(group) for group in NEEDED[found or "documents"])
        raise BadInput(
            f"The schema names {', '.join(given)}, which is not enough for {found or 'any kind'}.",
            f"Name the columns for {wanted}.",
        )
    for role, name in given.items():
        if columns and name not in columns:
            near = nearest(name, columns)
            listing = ", ".join(map(repr, columns))
            hint = f"Did you mean {near!r}?" if near else f"Its columns are {listing}."
            raise BadInput(f"It has no column {name!r} for {role!r}.", hint)
    return Shape(found, tuple(given.items()))


def _guessed(kind: Kind, columns: Sequence[str]) -> Shape | None:
    folded = {name.strip().lower(): name for name in reversed(columns)}
    found: dict[str, str] = {}
    for role, names in ROLES[kind].items():
        free = (folded[n] for n in names if n in folded and folded[n] not in found.values())
        if (name := next(free, None)) is not None:
            found[role] = name
    if not _whole(kind, list(found)):
        return None
    return Shape(kind, tuple(_without_doubles(kind, found)))


def _without_doubles(kind: Kind, found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield roles and columns; with messages there is no prompt, with a pair no single answer."""
    idle: Sequence[str] = ()
    if kind == "chats" and "messages" in found:
        idle = ("prompt", "response", "context")
    if kind == "preferences":
        idle = ("answer", "good") if "chosen" in found else ("chosen", "rejected")
    for role, name in found.items():
        if role not in idle:
            yield role, name


def _whole(kind: Kind, roles: Sequence[str]) -> bool:
    return any(set(group) <= set(roles) for group in NEEDED[kind])


def _example(kind: Kind | None) -> str:
    return ", ".join(f"{role}: COLUMN" for role in NEEDED[kind or "examples"][0])
