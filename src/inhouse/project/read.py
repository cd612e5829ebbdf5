"""Reads inhouse.yaml: every mistake is one sentence with file, line, key and the nearest match.

It checks that references lead somewhere and not in a circle; what they lead to is made elsewhere.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from pathlib import Path

from pydantic import BaseModel, ValidationError

from inhouse.core.errors import ProjectError, nearest
from inhouse.core.label import RESERVED, Label
from inhouse.data.columns import unknown_role
from inhouse.data.recipe import read_step
from inhouse.project.allowed import is_tag, keys_at
from inhouse.project.classify_schema import Classified
from inhouse.project.compress_schema import Compressed
from inhouse.project.data_schema import AnyData, Data, Expanded, Sharded, Taught
from inhouse.project.kinds import (
    check_classifying,
    check_kinds,
    check_sharded,
    check_watched,
    kind_of,
    wanted_kind,
)
from inhouse.project.schema import Adapted, Learnt, Model, ProjectFile
from inhouse.project.scratch_schema import Scratch
from inhouse.project.shrink_schema import Shrunk
from inhouse.project.source import Source, parse
from inhouse.project.train_schema import Trained

Place = tuple[str | int, ...]


def read(file: Path) -> tuple[ProjectFile, Source]:
    """Read and check a project file.

    Raises:
        ProjectError: it is missing, not YAML, or something in it is wrong; the first mistake
            is reported.
    """
    source = parse(file)
    try:
        project = ProjectFile.model_validate(source.plain())
    except ValidationError as error:
        raise _explain(source, error) from None
    _check_people(project, source)
    _check_references(project, source)
    check_kinds(references(project), project, source)
    check_sharded(references(project), project, source)
    check_classifying(project, source)
    check_watched(project, source)
    _check_effects(project, source)
    _check_columns(project, source)
    return project, source


def references(project: ProjectFile) -> dict[str, list[tuple[Place, str]]]:
    """Return, for every entry by its path, where it refers to others, and to which."""
    found: dict[str, list[tuple[Place, str]]] = {}
    for name, data in project.data.items():
        found[f"data/{name}"] = _data_behind(data, ("data", name))
        for part in parts_of(data):
            found[f"data/{name}/{part}"] = [(("data", name), f"data/{name}")]
    for name, base in project.knowledge.items():
        place: Place = ("knowledge", name)
        found[f"knowledge/{name}"] = [
            *(((*place, "from", i), ref) for i, ref in enumerate(base.sources)),
            ((*place, "embed"), base.embed),
        ]
    for name, model in project.models.items():
        found[f"models/{name}"] = _behind(model, ("models", name))
    for name, suite in project.suites.items():
        found[f"suites/{name}"] = [(("suites", name, "on"), suite.data)] if suite.data else []
    for name, endpoint in project.endpoints.items():
        place = ("endpoints", name)
        wanted: list[tuple[Place, str]] = []
        for i, one in enumerate(endpoint.models):
            if isinstance(one, str):
                at = ("model", i) if isinstance(endpoint.model, list) else ("model",)
                wanted.append(((*place, *at), one))
        if endpoint.knowledge:
            wanted.append(((*place, "knowledge"), endpoint.knowledge))
        found[f"endpoints/{name}"] = wanted
    return found


def _key(place: Place) -> str:
    """Return the key that a place belongs to, be it an item of a list."""
    return next(step for step in reversed(place) if isinstance(step, str))


def _behind(model: Model | Learnt, place: Place) -> list[tuple[Place, str]]:
    match model:
        case Compressed():
            named = {"compress": model.compress, "test": model.test, "texts": model.texts}
            return [((*place, key), ref) for key, ref in named.items() if ref]
        case Shrunk():
            learnt = [((*place, "layers", "mix", ref), ref) for ref in model.sources]
            own = [((*place, "compress"), model.compress), ((*place, "test"), model.test)]
            return [*own, *learnt]
        case Classified():
            return [((*place, "base"), model.base), ((*place, "examples"), model.examples)]
        case Trained() | Scratch():
            learnt = [((*place, *below), ref) for below, ref in model.places()]
            seen = enumerate(model.watch.suites)
            suites = [((*place, "watch", "suites", i), ref) for i, ref in seen]
            base = [((*place, "base"), model.base)] if isinstance(model, Trained) else []
            return [*base, *learnt, *suites]
        case Adapted():
            learnt = [((*place, "on", i), ref) for i, ref in enumerate(model.sources)]
            return [((*place, "base"), model.base), *learnt]
    return []


def _data_behind(data: AnyData, place: Place) -> list[tuple[Place, str]]:
    if isinstance(data, Sharded):
        return [((*place, "of"), data.of)]
    if isinstance(data, Expanded):
        apart = [((*place, "apart", i), ref) for i, ref in enumerate(data.apart)]
        embed = [((*place, "embed"), data.embed)] if data.embed else []
        return [((*place, "expand"), data.gold), ((*place, "by"), data.by), *apart, *embed]
    if isinstance(data, Taught):
        by = [((*place, "by"), data.by)] if data.by else []
        return [((*place, "teacher-label"), data.texts), ((*place, "like"), data.like), *by]
    steps = enumerate(map(read_step, data.steps))
    return [
        *(((*place, "from", i), r) for i, r in enumerate(data.sources) if r.startswith("data/")),
        *(((*place, "steps", i), ref) for i, step in steps for ref in step.refs),
    ]


def parts_of(data: AnyData) -> Sequence[str]:
    """Return the parts that a data set is split into, each a data set data/NAME/PART as well."""
    steps = map(read_step, data.steps) if isinstance(data, Data) else ()
    return [part for step in steps for part in getattr(step.settings, "parts", ())]


def needed(project: ProjectFile, target: str | None) -> set[str]:
    """Return the entries that a target (section/name, or a form of a model) needs, or all."""
    graph = {path: [ref for _, ref in wanted] for path, wanted in references(project).items()}
    if target is None:
        return set(graph)
    found = {"/".join(target.split("/")[:2])} & graph.keys()
    while more := {ref for path in found for ref in graph[path]} - found:
        found |= more
    return found


def unlabelled(project: ProjectFile) -> list[str]:
    """Return the documents and suites that are open because nobody wrote a label.

    Data sets made of others are not among them: they carry the labels of those.
    """
    derived = {path for path, refs in references(project).items() if refs}
    entries = {f"data/{name}": entry.model_fields_set for name, entry in project.data.items()}
    entries |= {f"suites/{name}": entry.model_fields_set for name, entry in project.suites.items()}
    return [path for path, keys in entries.items() if path not in derived and "label" not in keys]


def _explain(source: Source, error: ValidationError) -> ProjectError:
    # An unknown key is often why another one is missing.
    first = max(error.errors(), key=lambda e: e["type"] == "extra_forbidden")
    place = tuple(step for step in first["loc"] if not is_tag(step))
    called = _called(place)
    if first["type"] == "extra_forbidden":
        known = keys_at(first["loc"][:-1])
        near = nearest(str(place[-1]), known)
        fix = f"Did you mean {near!r}?" if near else f"Known here: {', '.join(known)}."
        return source.error(place, f"unknown key {called}.", fix)
    if first["type"] == "missing":
        fix = "Write 'project: NAME' above the rest." if place == ("project",) else "Add it."
        return source.error(place[:-1], f"{called} is missing.", fix)
    subject = f"{called} is wrong"
    if first["type"] == "value_error":  # ours: a sentence and, on a line of its own, the mend
        what, _, fix = first["msg"].removeprefix("Value error, ").partition("\n")
        return source.error(place, f"{subject}: {what}", fix)
    if place[-1:] == ("label",) and first["input"] is None:
        return source.error(place, f"{called} is empty.", "Write a label, or take the line out.")
    message = first["msg"][0].lower() + first["msg"][1:].rstrip(".")
    if first["type"] in SAID:
        message = SAID[first["type"]].format(**first.get("ctx", {}))
    if first["type"] == "model_type":  # would name one of our classes
        message = f"keys with values should stand here: {', '.join(keys_at(first['loc']))}"
    simple = isinstance(first["input"], str | int | float | None)
    given = f", not {reprlib.repr(first['input'])}" if simple else ""
    one = isinstance(first["input"], str) and first["type"] == "list_type"
    fix = f"Write [{first['input']}]." if one else "Correct the value."
    return source.error(place, f"{subject}: {message}{given}.", fix)


# The validator's own words for a mistake speak of classes and of a programmer's types.
SAID = {
    "bool_parsing": "true or false should stand here",
    "bool_type": "true or false should stand here",
    "dict_type": "names with a value each should stand here",
    "float_type": "a number should stand here",
    "greater_than": "it should be more than {gt:g}",
    "greater_than_equal": "it should be {ge} or more",
    "int_type": "a whole number should stand here",
    "less_than_equal": "it should be {le} or less",
    "list_type": "a list should stand here",
    "literal_error": "it should be {expected}",
    "string_too_short": "text should stand here",
    "string_type": "text should stand here",
    "too_short": "at least {min_length} should stand here, not {actual_length}",
}


def _called(place: Place) -> str:
    """Return how people call a place: they count items from one."""
    names = ".".join(step for step in place if isinstance(step, str))
    items = [f"item {step + 1} of " for step in reversed(place) if isinstance(step, int)]
    return "".join(items) + (repr(names) if names else "the file")


def _check_people(project: ProjectFile, source: Source) -> None:
    for i, wall in enumerate(project.walls):
        for group in wall:
            _known_group(group, ("walls", i), project, source)
        for left, right in combinations(wall, 2):
            both = sorted(set(project.groups[left]) & set(project.groups[right]))
            if both:
                raise source.error(
                    ("groups", right),
                    f"{', '.join(both)} cannot be in both {left!r} and {right!r}: there is a wall "
                    "between them.",
                    "Take them out of one of the two groups.",
                )
    for section in ("data", "models", "suites", "endpoints"):
        for name, entry in getattr(project, section).items():
            for group in sorted(frozenset().union(*Label.parse(entry.label).clauses)):
                _known_group(group, (section, name, "label"), project, source)


def _known_group(group: str, place: Place, project: ProjectFile, source: Source) -> None:
    if group not in project.groups:
        known = (*project.groups, *RESERVED) if place[-1] == "label" else project.groups
        near = nearest(group, known) or nearest(group.lower(), known)
        fix = f"Did you mean {near!r}?" if near else f"Add it: groups: {{{group}: [actors]}}."
        raise source.error(place, f"there is no group {group!r}.", fix)


WANTED = {
    "apart": "data",
    "base": "models",
    "compress": "models",
    "embed": "models",
    "examples": "data",
    "expand": "data",
    "from": "data",
    "knowledge": "knowledge",
    "like": "data",
    "model": "models",
    "on": "data",
    "suites": "suites",
    "teacher-label": "data",
    "test": "data",
    "texts": "data",
}


def _check_references(project: ProjectFile, source: Source) -> None:
    graph: dict[str, list[str]] = {}
    entries = references(project)
    for path, wanted in entries.items():
        graph[path] = [ref for _, ref in wanted]
        for place, ref in wanted:
            # What a step refers to says itself of which section it is.
            section = WANTED.get(_key(place)) or ref.partition("/")[0]
            known = [entry for entry in entries if entry.startswith(f"{section}/")]
            if ref in known:
                continue
            near = nearest(ref, known) or nearest(f"{section}/{ref}", known)
            hint = f"Did you mean {near!r}?" if near else f"Write {section}/NAME of an entry."
            what = f"{ref!r} is not among the {section} of this file."
            raise source.error(place, what, hint)
        for i, (place, ref) in enumerate(wanted):
            if ref in graph[path][:i]:
                raise source.error(place, f"{ref!r} stands here twice.", "Take one of them out.")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
        place = tuple(circle[0].split("/", 1))
        raise source.error(
            place,
            f"these entries go in a circle: {' -> '.join(reversed(circle))}.",
            "Take one of them out of the other's 'from'.",
        ) from None


def _check_columns(project: ProjectFile, source: Source) -> None:
    """Refuse a schema with a role that no data set has, or one of what has no columns."""
    for name, data in project.data.items():
        if not isinstance(data, Data):
            continue
        given = [key for key in ("kind", "schema") if key in _written(data)]
        if given and any(ref.startswith("data/") for ref in data.sources):
            raise source.error(
                ("data", name, given[0]),
                f"{given[0]!r} changes nothing here: rows of data sets are of a kind already.",
                "Take it out, or write it at the entry that names the files.",
            )
        wrong = unknown_role(list(data.columns or ()), data.kind)
        if wrong:
            role, fix = wrong
            what = f"{role!r} is nothing that rows{f' of {data.kind}' if data.kind else ''} have."
            raise source.error(("data", name, "schema", role), what, fix)


def _written(entry: BaseModel) -> set[str]:
    """Return the keys that stand in the file."""
    fields = type(entry).model_fields
    return {fields[name].alias or name for name in entry.model_fields_set}


GROUNDED = ("top", "check", "mode", "support", "rewrite")


def _check_effects(project: ProjectFile, source: Source) -> None:
    """Refuse keys that would change nothing where they stand."""
    embedders = {
        ref
        for wanted in references(project).values()
        for place, ref in wanted
        if wanted_kind(place, project) == "embedder"
    }
    for name, model in project.models.items():
        embeds = kind_of(model) == "embedder" or f"models/{name}" in embedders
        for key in ("engine", "precision", "adapter"):
            if embeds and key in model.model_fields_set:
                raise source.error(
                    ("models", name, key),
                    f"{key!r} changes nothing here: this is an embedder.",
                    "Take it out; it is for language models.",
                )
        if isinstance(model, Model) and model.engine != "openvino" and model.precision:
            raise source.error(
                ("models", name, "precision"),
                f"{model.engine} runs weights as they are and cannot keep them as "
                f"{model.precision}.",
                "Take it out and name weights of that precision, or take 'engine' out.",
            )
        if isinstance(model, Model) and model.engine == "llama" and model.adapter:
            raise source.error(
                ("models", name, "adapter"),
                "llama-server runs a GGUF file as it is, and takes no adapter here.",
                "Take 'engine' out, or the adapter.",
            )
    for name, endpoint in project.endpoints.items():
        idle = [key for key in GROUNDED if key in endpoint.model_fields_set]
        if idle and not endpoint.knowledge:
            raise source.error(
                ("endpoints", name, idle[0]),
                f"{idle[0]!r} changes nothing at an endpoint without knowledge.",
                "Take it out, or name a knowledge.",
            )
