"""What findings in data sets mean for a project: what a plan can say before, and a run afterwards.

Finding itself is the business of `inhouse.data`, and holding the label that of the catalog.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inhouse.catalog import Catalog
from inhouse.core.artifact import Artifact
from inhouse.core.label import Label
from inhouse.core.stage import Recipe
from inhouse.data.curate import Curate
from inhouse.data.personal import labels
from inhouse.data.recipe import restored
from inhouse.guard.clauses import ALL, types_of


def beforehand(recipe: Recipe, catalog: Catalog, recipes: Mapping[str, Recipe]) -> str:
    """Return in words whether what is not found yet may add clauses to the label of a step."""
    unknown = [path for path in above(recipe, recipes) if _may_add(recipes[path], catalog)]
    if recipe.ref.path in unknown:
        return "what is found may add clauses to its label"
    named = ", ".join(sorted(unknown))
    return f"what is found in {named} may add clauses to its label" if named else ""


@dataclass(frozen=True, slots=True)
class Marked:
    """A data set that was found to hold personal data, and who may read it now; None is all."""

    path: str
    found: Label
    readers: tuple[str, ...]

    @property
    def said(self) -> str:
        """What there is to say of it, in a sentence or two."""
        types = ", ".join(sorted(types_of(self.found)))
        held = f"{self.path} holds personal data ({types}), so it carries {self.found}"
        if self.readers:
            return f"{held}: {', '.join(self.readers)} may read it."
        mended = mend(self.found, [self.path])
        return f"{held}: nobody may read it, nor what is made from it. {mended}"


def mend(label: Label, holding: Sequence[str]) -> str:
    """Return how to mend that nobody holds the groups of personal data in a label; "" if none.

    The data in which it was found are those `holding` it: only there can it be hidden, since what
    is made from them carries their label whatever becomes of it.
    """
    types = sorted(types_of(label))
    if not types:
        return ""
    where = " and ".join(holding)
    return (
        f"Put those who may into a group, groups: {{{ALL}: [NAME]}} for all types or "
        f"{ALL}.{types[0]} for one; or hide it where it was found, in {where}, with {{pii: mask}} "
        f"in place of {{pii: find}}; or count it only, with {{pii: {{how: find, label: false}}}}."
    )


def marked(
    artifact: Artifact, catalog: Catalog, groups: Mapping[str, frozenset[str]]
) -> Marked | None:
    """Return what was found in an artifact and who may read it now; None if nothing was."""
    found = catalog.lineage.now().found(artifact.ref.version or "")
    if not types_of(found):
        return None
    label = catalog.lineage.now().demands(artifact.ref.version or "").label
    readers = sorted(actor for actor, held in groups.items() if label.admits(held))
    return Marked(artifact.ref.path, found, tuple(readers))


def above(recipe: Recipe, recipes: Mapping[str, Recipe]) -> Sequence[str]:
    """Return the paths of a step and of all whose labels it carries."""
    seen: dict[str, None] = {}
    waiting = [recipe]
    while waiting:
        one = waiting.pop()
        if one.ref.path not in seen:
            seen[one.ref.path] = None
            carried = [edge for edge in one.parents if edge.flow != "filter"]
            waiting += [recipes[edge.parent.path] for edge in carried]
    return list(seen)


def _may_add(recipe: Recipe, catalog: Catalog) -> bool:
    spec = recipe.spec
    if not isinstance(spec, Curate) or catalog.made(recipe.version):
        return False
    return labels([restored(step) for step in spec.steps])
