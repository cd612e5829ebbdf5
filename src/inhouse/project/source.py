"""YAML as a tree that knows its lines, so that every mistake can be shown where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from inhouse.core.errors import ProjectError


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a project file as a tree that knows its lines."""

    file: Path
    tree: yaml.Node | None

    def line(self, place: Sequence[str | int]) -> int | None:
        """Return the line of a key or item, or of the nearest thing around it that is there."""
        node, line = self.tree, 1 if self.tree else None
        for step in place:
            found = _step(node, step)
            if found is None:
                break
            line, node = found
        return line

    def error(self, place: Sequence[str | int], what: str, fix: str) -> ProjectError:
        """Return the error for a place such as ("data", "memos", "label")."""
        key = ".".join(str(step) for step in place)
        return ProjectError(what, fix, file=self.file, line=self.line(place), key=key)

    def plain(self) -> object:
        """Return the tree as plain values, refusing a key that stands twice."""
        if self.tree is None:
            raise ProjectError("the file is empty.", "Start one with: inhouse init", file=self.file)
        for node in _mappings(self.tree, set()):
            seen: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise self._misplaced(key, "a list or mapping cannot be a key.", "Use a word.")
                if key.value in seen:
                    what = f"the key {key.value!r} stands here twice."
                    raise self._misplaced(key, what, "Remove or rename one of them.")
                seen.add(key.value)
                if key.tag == "tag:yaml.org,2002:bool":
                    key.tag = "tag:yaml.org,2002:str"  # the key `on` is a word, not a truth
        constructor = yaml.SafeLoader("")
        try:
            return constructor.construct_document(self.tree)
        except (yaml.YAMLError, ValueError) as error:  # a tag of Python's, the 31st of February
            raise _not_yaml(self.file, error) from error
        finally:
            constructor.dispose()

    def _misplaced(self, node: yaml.Node, what: str, fix: str) -> ProjectError:
        return ProjectError(what, fix, file=self.file, line=node.start_mark.line + 1)


def parse(file: Path) -> Source:
    """Read a YAML file into a tree that knows its lines.

    Raises:
        ProjectError: the file is missing, unreadable or not YAML.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ProjectError(
            "there is no project file here.", "Start one with: inhouse init", file=file
        ) from None
    except OSError as error:
        raise ProjectError(
            f"it cannot be read: {error.strerror}.",
            "Name a text file that you may read.",
            file=file,
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ProjectError(
            f"this is not UTF-8: {error.reason}.", "Save it as UTF-8.", file=file, line=line
        ) from error
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise _not_yaml(file, error) from error
    return Source(file, tree)


def _not_yaml(file: Path, error: Exception) -> ProjectError:
    """Say in one sentence what the parser says in several lines."""
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, RecursionError):
        why = "it is nested too deeply"
    elif isinstance(error, yaml.MarkedYAMLError):
        why = ", ".join(part for part in (error.context, error.problem) if part)
    else:
        why = getattr(error, "reason", str(error))
    return ProjectError(
        f"this is not YAML that can be read: {why}.",
        "Check indentation, colons and quotes around that line.",
        file=file,
        line=mark.line + 1 if mark else None,
    )


def _mappings(node: yaml.Node, seen: set[int]) -> Iterable[yaml.MappingNode]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value, seen)


def _step(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):  # what was merged in stands before, and yields
            if key.value == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
