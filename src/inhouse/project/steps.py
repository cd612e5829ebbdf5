"""From a project file to the recipes it asks for, in the order in which they can be made.

Nothing is made here: versions are known before the work. Comparing them with the catalog is
`inhouse.project.plan`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import cast

from inhouse.catalog import Catalog
from inhouse.core.artifact import Edge, Ref
from inhouse.core.errors import BadInput, MissingExtra, nearest
from inhouse.core.label import Label
from inhouse.core.paths import located
from inhouse.core.stage import Recipe, Stage
from inhouse.data import collect, combine, curate, shards
from inhouse.data.files import survey
from inhouse.data.reading import reading_of
from inhouse.data.recipe import read_step
from inhouse.knowledge import index
from inhouse.knowledge.lance import require_lance
from inhouse.models import build, lora, pull
from inhouse.models.builtin import BUILTINS
from inhouse.project.data_schema import Data, Sharded
from inhouse.project.data_steps import EMBEDDER as EMBEDDING
from inhouse.project.data_steps import MODEL, derived
from inhouse.project.forms import form_of
from inhouse.project.kinds import as_it_is, is_classifier
from inhouse.project.loaders import EMBEDDER
from inhouse.project.made import Around
from inhouse.project.model_steps import WAYS
from inhouse.project.pin import local_pin
from inhouse.project.read import Place, references
from inhouse.project.schema import Api, Endpoint, Model, ProjectFile
from inhouse.project.source import Source
from inhouse.project.suite_steps import asked
from inhouse.project.train_steps import ADAPTER, weights_of
from inhouse.serve import endpoint as serving


@dataclass(frozen=True, slots=True)
class Step:
    """One artifact of the project: its recipe, and the labels as the project file gives them.

    `own` is the label of the name itself; `label` is the join along lineage; `found` is what the
    store knows to have been found in this version, which adds to it; `sources` are, for what
    answers from a knowledge base, the labels of its sources, of which one is enough. If it is
    `pinned`, even new documents wait for a release.
    """

    recipe: Recipe
    own: Label
    label: Label
    sources: Mapping[str, Label]
    pinned: bool = False
    missing: MissingExtra | None = None
    found: Label = Label.OPEN

    @property
    def path(self) -> str:
        """The name, as section/name."""
        return self.recipe.ref.path

    @property
    def carried(self) -> Label:
        """What it hands down: the label, and what was found in it."""
        return self.label.join(self.found)

    @property
    def demand(self) -> str:
        """What a reader must hold, in words."""
        if not self.sources:
            return str(self.carried)
        by_source = "; ".join(sorted({str(label) for label in self.sources.values()}))
        own = "" if self.label == Label.OPEN else f"{self.label}; "
        return f"{own}by source: {by_source}"

    def admits(self, groups: frozenset[str]) -> bool:
        """Say whether somebody in `groups` will be able to use the result."""
        reachable = not self.sources or any(s.admits(groups) for s in self.sources.values())
        return self.carried.admits(groups) and reachable


def steps(project: ProjectFile, source: Source, catalog: Catalog, root: Path) -> list[Step]:
    """Return the steps of a project, parents first.

    Args:
        project: the checked project file.
        source: its text, for errors that name a line.
        catalog: remembers the digests of files, so that asking again is quick.
        root: the folder that relative paths start from.

    Raises:
        ProjectError: a pattern matches no file, or a model's source is not known.
    """
    return _Steps(project, source, catalog, root).all()


class _Steps:
    """Builds the steps one by one; each finds its parents among those built before."""

    def __init__(self, project: ProjectFile, source: Source, catalog: Catalog, root: Path) -> None:
        self._project = project
        self._source = source
        self._catalog = catalog
        self._root = root
        self._steps: dict[str, Step] = {}

    def all(self) -> list[Step]:
        """Return the steps, parents first."""
        entries = references(self._project)
        graph = {path: [ref for _, ref in wanted] for path, wanted in entries.items()}
        build_one = {
            "data": self._data,
            "knowledge": self._knowledge,
            "models": self._models,
            "suites": self._suites,
            "endpoints": self._endpoints,
        }
        for path in TopologicalSorter(graph).static_order():
            section, _, name = path.partition("/")
            build_one[section](name)
        return list(self._steps.values())

    def _data(self, name: str) -> None:
        entry = self._project.data[name.partition("/")[0]]
        if isinstance(entry, Sharded):
            self._sharded(name, entry)
            return
        try:
            found = derived(name, entry, self._project, self._catalog)
        except BadInput as error:
            raise self._source.error(("data", name), error.what, error.fix) from error
        if found is None:
            self._gathered(name, cast(Data, entry))
            return
        parents = tuple(self._edge(role, self._runnable(role, ref)) for role, ref in found.parents)
        own = Label.OPEN if "/" in name else Label.parse(entry.label)
        self._add(f"data/{name}", found.stage, found.spec, parents, own)

    def _sharded(self, name: str, entry: Sharded) -> None:
        folder = self._root / entry.folder
        try:
            digests = self._catalog.fingerprint(shards.files_in(folder))
        except BadInput as error:
            place = ("data", name, "shards")
            raise self._source.error(place, error.what, error.fix) from error
        files = tuple((file.name, digest) for file, digest in digests.found.items())
        spec = shards.Shards(files, str(folder), self._catalog.salt(f"data/{name}"))
        self._add(f"data/{name}", shards.STAGE, spec, (), Label.parse(entry.label))

    def _runnable(self, role: str, ref: str) -> str:
        """Return the path of what a reference means in a role: of a model, the form that runs."""
        if role == ref and is_classifier(ref, self._project):
            return cast(str, as_it_is(ref, self._project))
        if role == EMBEDDING or (role == ref and ref.startswith("models/")):
            return self._form(ref, EMBEDDER, build.STAGE, build.Build("embedder"))
        return self._language(ref) if role == MODEL else ref

    def _gathered(self, name: str, entry: Data) -> None:
        refs = [s for s in entry.sources if s.startswith("data/")]
        if refs and len(refs) < len(entry.sources):
            raise self._source.error(
                ("data", name, "from"),
                "files and data sets cannot stand in one list.",
                "Give the files an entry of their own and name that.",
            )
        own = Label.parse(entry.label)
        if entry.steps:
            self._curated(name, entry, refs)
        elif refs:
            parents = tuple(self._edge(ref, ref) for ref in refs)
            self._add(f"data/{name}", combine.STAGE, combine.Combine(), parents, own)
        else:
            spec = self._collect(name, entry)
            self._add(f"data/{name}", collect.STAGE, spec, (), own)

    def _curated(self, name: str, entry: Data, refs: list[str]) -> None:
        if not refs:
            raise self._source.error(
                ("data", name, "steps"),
                "steps clean data sets, and 'from' names files.",
                "Give the files an entry of their own and name that.",
            )
        steps = [read_step(step) for step in entry.steps]
        wanted = dict.fromkeys([*refs, *(ref for step in steps for ref in step.refs)])
        parents = tuple(self._edge(ref, self._runnable(ref, ref)) for ref in wanted)
        spec = curate.Curate.of(steps, refs, entry.on or "")
        self._add(f"data/{name}", curate.STAGE, spec, parents, Label.parse(entry.label))
        self._needs(f"data/{name}", spec.require)

    def _collect(self, name: str, entry: Data) -> collect.Collect:
        store, own = self._catalog.root.absolute(), self._source.file.absolute()
        try:
            known = self._catalog.lineage.now().state(Ref("data", name)) is not None
            found = survey(entry.sources, self._root, known=known)
            wanted = [
                path for path in found.files if not path.is_relative_to(store) and path != own
            ]
            digests = self._catalog.fingerprint(wanted)
            how = reading_of(list(digests.found), kind=entry.kind, given=entry.columns)
        except BadInput as error:
            raise self._source.error(("data", name, "from"), error.what, error.fix) from error
        unread = {path: f"It cannot be read: {why}." for path, why in digests.unread.items()}
        salt = self._catalog.salt(f"data/{name}")
        spec = collect.Collect.of(digests.found, found.left_out | unread, self._root, salt=salt)
        return replace(
            spec,
            modified=self._catalog.modified(spec.files, self._root),
            kind=how.kind,
            schema=how.schema,
            sections=how.sections,
            shown=how.shown,
        )

    def _models(self, name: str) -> None:
        entry, path = self._project.models[name], f"models/{name}"
        own = Label.parse(entry.label)
        if isinstance(entry, Model):
            self._add(path, pull.STAGE, self._pull(entry, ("models", name, "from")), (), own)
            if entry.adapter:
                self._adapter(path, entry.adapter, own)
            return
        way = WAYS[type(entry)]
        recipes = {path: step.recipe for path, step in self._steps.items()}
        try:
            wanted = way.made(
                name, entry, Around(self._project, self._catalog, recipes, self._root)
            )
        except BadInput as error:
            raise self._source.error(("models", name, way.key), error.what, error.fix) from error
        for one in wanted:
            if one.path not in self._steps:
                parents = tuple(self._edge(*parent) for parent in one.parents)
                self._add(
                    one.path, one.stage, one.spec, parents, own if one.path == path else Label.OPEN
                )
        self._needs(path, way.require)

    def _adapter(self, model: str, folder: str, own: Label) -> None:
        try:
            files = lora.files_of(located(folder, self._root))
            digest = lora.digest(files, self._catalog.fingerprint(files).all())
        except BadInput as error:
            place = ("models", model.partition("/")[2], "adapter")
            raise self._source.error(place, error.what, error.fix) from error
        spec = lora.Lora(folder, digest, str(self._root))
        self._add(f"{model}/{ADAPTER}", lora.STAGE, spec, (), own)

    def _pull(self, entry: Model, place: Place) -> pull.Pull:
        known = BUILTINS.get(entry.source)
        if known is None and "://" not in entry.source and not entry.source.startswith("file:"):
            near = nearest(entry.source, BUILTINS)
            hint = (
                f"Did you mean {near!r}?" if near else f"Built in: {', '.join(sorted(BUILTINS))}."
            )
            raise self._source.error(place, f"there is no model {entry.source!r}.", hint)
        if known is not None:
            return pull.Pull(known.url, known.sha256, known.licence)
        try:
            pin = entry.sha256 or local_pin(entry.source, self._root, self._catalog)
            return pull.Pull(entry.source, pin, entry.licence or "", str(self._root))
        except BadInput as error:
            raise self._source.error(place, error.what, error.fix) from error

    def _knowledge(self, name: str) -> None:
        entry = self._project.knowledge[name]
        embedder = self._form(entry.embed, EMBEDDER, build.STAGE, build.Build("embedder"))
        parents = (
            *(self._edge(ref, ref) for ref in entry.sources),
            self._edge("embedder", embedder),
        )
        spec = index.Index(store=entry.store)
        self._add(f"knowledge/{name}", index.STAGE, spec, parents)
        if entry.store == "lance":
            self._needs(f"knowledge/{name}", require_lance)

    def _suites(self, name: str) -> None:
        entry = self._project.suites[name]
        try:
            made = asked(name, entry, self._catalog, self._root)
        except BadInput as error:
            raise self._source.error(("suites", name, "from"), error.what, error.fix) from error
        parents = tuple(self._edge(*parent) for parent in made.parents)
        self._add(made.path, made.stage, made.spec, parents, Label.parse(entry.label))

    def _endpoints(self, name: str) -> None:
        entry = self._project.endpoints[name]
        parents, chain = self._asked(entry)
        sources = {}
        if entry.knowledge:
            path = entry.knowledge
            parents.append(
                Edge("knowledge", self._steps[path].recipe.ref.at(self._version(path)), "filter")
            )
            sources = {
                edge.parent.path: self._steps[edge.parent.path].carried
                for edge in self._steps[path].recipe.parents
                if edge.role != "embedder"
            }
            # Sections are asked one by one, but each is found by all that the embedder learnt.
            (embedder,) = (e for e in self._steps[path].recipe.parents if e.role == "embedder")
            parents.append(embedder)
        alone = len(chain) == 1
        try:
            spec = serving.Serve(
                top=entry.top,
                api=chain[0] if alone and "url" in chain[0] else {},
                chain=() if alone else chain,
                instructions=entry.instructions,
                check=entry.check,
                mode=entry.mode,
                support=entry.support,
                rewrite=entry.rewrite,
                guard=entry.guard.ways,
            )
        except BadInput as error:
            raise self._source.error(("endpoints", name), error.what, error.fix) from error
        own = Label.parse(entry.label)
        path = f"endpoints/{name}"
        self._add(path, serving.STAGE, spec, tuple(parents), own, sources=sources)
        self._steps[path] = replace(self._steps[path], pinned=entry.pin is not None)

    def _asked(self, entry: Endpoint) -> tuple[list[Edge], list[dict[str, str]]]:
        """Return the models of an endpoint: those of the store as parents, and all in order."""
        parents, chain = [], []
        for place, model in enumerate(entry.models):
            if isinstance(model, Api):
                # The variable belongs to the version: today's key must not go to yesterday's
                # provider. The price does not: it changes no answer.
                key = {"key": model.variable} if model.variable else {}
                chain.append({"url": model.api, "name": model.name, **key})
            else:
                role = serving.role(place)
                parents.append(self._edge(role, self._language(model)))
                chain.append({"role": role})
        return parents, chain

    def _language(self, ref: str) -> str:
        """Return the path of a language model in the form its engine runs."""
        form = as_it_is(ref, self._project)
        if form is not None:
            return form
        made = form_of(ref, self._project)
        if made.path not in self._steps:
            parents = tuple(self._edge(*parent) for parent in made.parents)
            self._add(made.path, made.stage, made.spec, parents)
        return made.path

    def _form(self, ref: str, form: str, stage: Stage, spec: object) -> str:
        """Return the path of a model in another form, adding the step once."""
        path = f"{ref}/{form}"
        if path not in self._steps:
            parents = tuple(self._edge(*one) for one in weights_of(ref, self._project))
            self._add(path, stage, spec, parents)
        return path

    def _needs(self, path: str, require: Callable[[], None]) -> None:
        """Note what is not installed that a step needs."""
        try:
            require()
        except MissingExtra as missing:
            self._steps[path] = replace(self._steps[path], missing=missing)

    def _edge(self, role: str, path: str) -> Edge:
        return Edge(role, Ref.parse(path).at(self._version(path)))

    def _version(self, path: str) -> str:
        return self._steps[path].recipe.version

    def _add(
        self,
        path: str,
        stage: Stage,
        spec: object,
        parents: tuple[Edge, ...],
        own: Label = Label.OPEN,
        *,
        sources: Mapping[str, Label] | None = None,
    ) -> None:
        recipe = Recipe(Ref.parse(path), stage, spec, parents)
        carried = [self._steps[e.parent.path].carried for e in parents if e.flow == "carry"]
        label, found = (
            Label.joined([own, *carried]),
            self._catalog.lineage.now().found(recipe.version),
        )
        self._steps[path] = Step(recipe, own, label, sources or {}, found=found)
