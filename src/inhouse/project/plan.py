"""What a run would do, why, and who will be able to use the result. It changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from inhouse.catalog import Catalog
from inhouse.catalog.access import memberships
from inhouse.core.artifact import Artifact, Ref, canonical, identity
from inhouse.core.label import Label
from inhouse.data.files import UNMATCHED
from inhouse.guard.clauses import types_of
from inhouse.project import findings
from inhouse.project.fitting import fit
from inhouse.project.release import Origins
from inhouse.project.repeats import repeats
from inhouse.project.source import Source
from inhouse.project.steps import Step
from inhouse.project.unfinished import goes_on

Status = Literal["up to date", "waits for", "will be made", "will point to it"]
DONE: tuple[Status, ...] = ("up to date", "waits for")


@dataclass(frozen=True, slots=True)
class Planned:
    """One step with what a run would do, why, and for whom.

    `audience` are the actors who will be able to use the result, None for everybody with a key;
    `seconds` is how long it took the last time, if there was one. `waits` says that it will not
    be served before `inhouse release`.
    """

    step: Step
    status: Status
    reason: str
    audience: tuple[str, ...] | None
    seconds: float | None
    waits: bool = False

    @property
    def entry(self) -> str:
        """The entry of the project file that the step belongs to, such as ``models/base``."""
        return "/".join(self.step.path.split("/")[:2])


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A name whose own label a run would change. None stands for a name that is new."""

    ref: Ref
    before: Label | None
    after: Label

    @property
    def loosens(self) -> bool:
        """Say whether somebody who may not see it now would see it afterwards."""
        return self.before is not None and self.after.join(self.before) != self.after


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in order, and what comes first.

    That is changes of labels; memberships, in words; and endpoints that are taken out of
    service because the project file has them no more.
    """

    steps: Sequence[Planned]
    labels: Sequence[LabelChange]
    memberships: Sequence[str]
    retired: Sequence[Ref] = ()

    @property
    def changes(self) -> bool:
        """Say whether a run would change anything."""
        return bool(self.making or self.labels or self.memberships or self.retired)

    @property
    def making(self) -> set[str]:
        """The entries that a run would make or point to another version."""
        return {one.entry for one in self.steps if one.status not in DONE}

    def require_installed(self) -> None:
        """Make sure, before the first step, that all that will be made can be.

        Raises:
            MissingExtra: an optional part is not installed.
        """
        for planned in self.steps:
            if planned.status == "will be made" and planned.step.missing:
                raise planned.step.missing


def plan(
    steps: Sequence[Step], catalog: Catalog, groups: Mapping[str, frozenset[str]], source: Source
) -> Plan:
    """Compare steps with the catalog.

    Args:
        steps: parents first.
        catalog: what is there.
        groups: actor -> groups, as the project file gives them.
        source: the text of the project file, for errors that name a line.

    Raises:
        ProjectError: nobody could use what a step would make.
    """
    by_path = {step.path: step for step in steps}
    for step in steps:
        _refuse_useless(step, by_path, groups, source)
    labels = catalog.access.labels()
    changes = [
        LabelChange(step.recipe.ref, labels.get(step.path), step.own)
        for step in steps
        if labels.get(step.path) != step.own
    ]
    origins = Origins(catalog, [step.recipe for step in steps])
    planned = [_planned(step, catalog, groups, origins, by_path) for step in steps]
    served = [artifact.ref for artifact in catalog.list() if artifact.ref.section == "endpoints"]
    retired = [ref for ref in served if ref.path not in by_path]
    return Plan(planned, changes, memberships(catalog.access.groups(), groups), retired)


def _planned(
    step: Step,
    catalog: Catalog,
    groups: Mapping[str, frozenset[str]],
    origins: Origins,
    by_path: Mapping[str, Step],
) -> Planned:
    served = catalog.find(step.recipe.ref)
    newest = catalog.releases.candidate(step.recipe.ref)
    head = catalog.get(newest) if newest and served else served
    status, reason = _compare(step, head, catalog)
    waits = False
    if served and step.recipe.ref.section == "endpoints":
        will_be = origins.served(step, served)
        waits = will_be != step.recipe.version
        if status == "up to date" and will_be != served.ref.version:
            status, reason = "will point to it", "it has newer documents"
    if waits:
        command = f"inhouse release {step.path}"
        if status == "up to date":
            status, reason = "waits for", command
        else:
            reason = f"{reason}; then waits for: {command}"
        trial = catalog.trials.of(step.recipe.ref)
        if trial and head and origins.served(step, head) != step.recipe.version:
            reason = f"{reason}; ends the {trial.kind} of {trial.ref}"
    if status == "will be made":
        reason = "; ".join(filter(None, (reason, *_beforehand(step, catalog, by_path))))
    seconds = head.seconds if head else None
    return Planned(step, status, reason, _audience(step, groups), seconds, waits)


def _beforehand(step: Step, catalog: Catalog, by_path: Mapping[str, Step]) -> Iterator[str]:
    """Yield what was guessed of a source's columns, and what may keep a training from its end."""
    recipes = {path: one.recipe for path, one in by_path.items()}
    yield getattr(step.recipe.spec, "shown", "")
    yield fit(step.recipe, catalog, recipes)
    yield repeats(step.recipe, catalog, recipes)
    yield findings.beforehand(step.recipe, catalog, recipes)
    if step.missing:
        yield step.missing.what.removesuffix(".")


def _audience(step: Step, groups: Mapping[str, frozenset[str]]) -> tuple[str, ...] | None:
    if step.admits(frozenset()):
        return None
    return tuple(sorted(actor for actor, held in groups.items() if step.admits(held)))


def _compare(step: Step, head: Artifact | None, catalog: Catalog) -> tuple[Status, str]:
    version = step.recipe.version
    if catalog.made(version):
        if head is not None and head.ref.version == version:
            return "up to date", ""
        return "will point to it", f"version {version[:8]} was made before"
    if said := goes_on(step.recipe, catalog):
        return "will be made", said
    if head is None:
        state = catalog.lineage.now().state(step.recipe.ref.at(version))
        gone = state.gone if state else None
        return "will be made", f"it was {gone}" if gone else "new"
    if head.ref.version == version:
        return "will be made", "its bytes are missing or damaged"
    return "will be made", "; ".join(_differences(step, head))


def _differences(step: Step, head: Artifact) -> list[str]:
    found = []
    before = {edge.role: edge.parent for edge in head.parents}
    after = {edge.role: edge.parent for edge in step.recipe.parents}
    for role in sorted(before.keys() | after.keys()):
        if before.get(role) != after.get(role):
            ref = after.get(role) or before[role]
            how = "changed" if role in before and role in after else "added"
            found.append(f"{ref.path} {how if role in after else 'taken out'}")
    stage = step.recipe.stage
    if (head.recipe, head.code) != (stage.recipe, stage.code):
        found.append("the stage itself changed")
    params = json.loads(canonical(identity(step.recipe.spec)))
    for name in sorted(params.keys() | head.params.keys()):
        if params.get(name) != head.params.get(name):
            found.append(_difference(name, head.params.get(name), params.get(name)))
    return found


def _difference(name: str, before: Any, after: Any) -> str:  # noqa: ANN401
    if name not in ("files", "left_out") or before is None or after is None:
        return f"{name} changed"
    old, new = dict(before), dict(after)
    if name == "left_out":
        lost = [path for path in new.keys() - old.keys() if new[path] == UNMATCHED]
        return f"nothing matches {', '.join(sorted(lost))} any more" if lost else f"{name} changed"
    counts = {
        "new": len(new.keys() - old.keys()),
        "changed": sum(old[path] != new[path] for path in old.keys() & new.keys()),
        "gone": len(old.keys() - new.keys()),
    }
    return "files: " + ", ".join(f"{count} {how}" for how, count in counts.items() if count)


def _refuse_useless(
    step: Step,
    by_path: Mapping[str, Step],
    groups: Mapping[str, frozenset[str]],
    source: Source,
) -> None:
    # A knowledge base may hold what nobody may see whole: it is asked section by section. And what
    # was found in a data set is told when it was made; only what is made from it would be useless.
    parents = sorted(edge.parent.path for edge in step.recipe.parents)
    asked = replace(step, found=Label.OPEN)
    if step.recipe.ref.section == "knowledge" or not parents or _audience(asked, groups) != ():
        return
    admitted = {path: _audience(by_path[path], groups) for path in parents}
    listing = "; ".join(
        f"{path} is for {'everybody' if who is None else ', '.join(who) or 'nobody'}"
        for path, who in admitted.items()
    )
    labels = [f"it would carry {step.label}"] if step.label != Label.OPEN else []
    if step.sources:
        by_source = sorted({str(label) for label in step.sources.values()})
        labels.append(f"its sources carry {' or '.join(by_source)}")
    nobody = step.label.missing(frozenset[str]().union(*groups.values()))
    raise source.error(
        tuple(step.path.split("/")[:2]),
        f"nobody could use {step.path}: {' and '.join(labels)}. ({listing}.)",
        findings.mend(nobody, _holding(step, by_path))
        or "Take one of these out of it, or put somebody into the groups it needs.",
    )


def _holding(step: Step, by_path: Mapping[str, Step]) -> list[str]:
    """Return the data above a step in which personal data was found."""
    recipes = {path: one.recipe for path, one in by_path.items()}
    return [path for path in findings.above(step.recipe, recipes) if types_of(by_path[path].found)]
