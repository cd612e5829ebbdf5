"""A project: its file, its store, the plan between them and the run that follows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inhouse.catalog import Catalog, Made
from inhouse.catalog.access import memberships
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Ref
from inhouse.core.errors import BadInput, Corrupt, NotFound
from inhouse.core.label import Label
from inhouse.core.nouns import Found, Message
from inhouse.core.paths import located
from inhouse.core.protocols import Sampling, Sink
from inhouse.core.stage import Progress, Recipe, silent
from inhouse.project.read import read
from inhouse.project.schema import Learnt

# A server plans and makes nothing: what does that is imported where it is done, with numpy.
if TYPE_CHECKING:
    from inhouse.project.asking import Answered
    from inhouse.project.observer import Followed, Observer
    from inhouse.project.plan import Plan
    from inhouse.project.steps import Step
    from inhouse.serve.house import House

FILE = "inhouse.yaml"


class Project:
    """An opened project file with its store. `actor` is who acts when nobody else is named."""

    def __init__(self, file: Path, *, actor: str) -> None:
        """Read the project file and open its store.

        Raises:
            ProjectError: something in the file is wrong.
            StoreError: the store cannot be used.
        """
        self.file = file
        self.root = file.absolute().parent
        self.config, self.source = read(file)
        store = located(self.config.store, self.root)
        blocked = any(path.is_file() for path in (store, *store.parents))
        if "://" in self.config.store or blocked:
            raise self.source.error(
                ("store",), f"{self.config.store!r} is not a folder.", "Name a folder."
            )
        self.catalog = Catalog(store)
        self.actor_name = actor

    def close(self) -> None:
        """Close the store."""
        self.catalog.close()

    @property
    def actor(self) -> Actor:
        """Who acts, with the groups the project file gives."""
        return Actor(self.actor_name, self.groups.get(self.actor_name, frozenset()))

    @property
    def groups(self) -> dict[str, frozenset[str]]:
        """Actor -> groups, as the project file gives them."""
        actors = sorted({actor for held in self.config.groups.values() for actor in held})
        return {
            actor: frozenset(group for group, held in self.config.groups.items() if actor in held)
            for actor in actors
        }

    def steps(self, target: str | None = None) -> Sequence[Step]:
        """Return the steps to a target (section/name), or all, parents first.

        Raises:
            NotFound: the project has no such entry.
        """
        from inhouse.project.steps import steps

        every = steps(self.config, self.source, self.catalog, self.root)
        if target is None:
            return every
        wanted = _needed(target, every)
        return [step for step in every if step.path in wanted]

    def plan(self, target: str | None = None) -> Plan:
        """Say what a run would do, why and for whom; change nothing.

        Labels and groups are always those of the whole file. Endpoints are taken out of service
        only without a target.

        Raises:
            NotFound: the project has no such entry.
            ProjectError: nobody could use what a step would make.
        """
        from inhouse.project.plan import plan

        whole = plan(every := self.steps(), self.catalog, self.groups, self.source)
        if target is None:
            return whole
        wanted = _needed(target, every)
        chosen = [one for one in whole.steps if one.step.path in wanted]
        return replace(whole, steps=chosen, retired=())

    def run(
        self,
        target: str | None = None,
        *,
        loosen: bool = False,
        strict: bool = False,
        observer: Observer | None = None,
    ) -> Sequence[Followed]:
        """Apply groups and labels, then make what is not there, parents first.

        The project file is read anew, so what was taken out of it since it was opened stays out.
        Without a target, endpoints that the file has no more are taken out of service before. A
        version of an endpoint that does something else than the one that is served waits for its
        release; see `inhouse.project.release`.
        Cut off at any moment, it leaves a store that the next run goes on from. Another process
        that makes some of what is to be made is waited for; what is up to date is shared.

        Raises:
            BadInput: a label would be loosened and `loosen` is not set.
            UserError: a data set would leave something out, and the run is `strict`.
            ProjectError: something in the file is wrong by now.
            Corrupt: stored bytes have changed again while what was damaged was made anew.
        """
        from inhouse.project.observer import Unobserved

        observer = observer or Unobserved()
        held, damaged = set[str](), False
        while True:
            try:
                with self.catalog.alone(held, observer.wait):
                    if whole := self._begin(target, loosen, held, observer):
                        return self._follow(whole, held, strict, observer)
            except Corrupt:
                if damaged:
                    raise
                damaged = True  # What was damaged is out of the way by now: it is made again.

    def _begin(
        self, target: str | None, loosen: bool, held: set[str], observer: Observer
    ) -> Plan | None:
        """Plan and apply groups and labels; None if more is to be made than is `held` by now."""
        # Read only while no other run does: an older file would undo what that one applied.
        with self.catalog.alone({"inhouse.yaml"}, lambda name: None):
            self.config, self.source = read(self.file)
            whole = self.plan(target)
            if not whole.making <= held:
                held |= whole.making
                return None
            whole.require_installed()
            self._apply(whole, loosen=loosen)
            for ref in whole.retired:
                self.catalog.retire(ref, by=self.actor_name)
                observer.retire(ref)
        return whole

    def _follow(
        self, whole: Plan, held: set[str], strict: bool, observer: Observer
    ) -> Sequence[Followed]:
        from inhouse.project.observer import Followed
        from inhouse.project.release import serve
        from inhouse.project.strict import require_whole, strictly

        followed = []
        for planned in whole.steps:
            progress, by = observer.begin(planned), self.actor_name
            recipe = strictly(planned.step.recipe, strict)
            # What is not held may have moved on since: its name is left alone.
            ours, serves = planned.entry in held, recipe.ref.section == "endpoints"
            made = self.catalog.make(recipe, by=by, progress=progress, point=ours and not serves)
            require_whole(self.catalog, made.artifact, strict)
            waits = planned.waits
            if ours and serves:
                waits = not serve(self.catalog, planned.step, made.artifact.ref, by=by)
            observer.end(planned, made)
            followed.append(Followed(planned, made, waits))
            if made.fresh and self.catalog.lineage.now().found(recipe.version) != Label.OPEN:
                self.plan()  # refuses what nobody could use, now that this was found
        return followed

    def pull(self, model: str, *, name: str | None = None, progress: Progress = silent) -> Made:
        """Bring a model into the store: one of the project's, a built-in one, or from a URL.

        Raises:
            NotFound: nothing has that name.
            BadInput: a URL needs a name, or is of no known form, or the name is the project's, or
                that of a model that is not pulled.
        """
        bare = model.removeprefix("models/")
        if name is None and isinstance(self.config.models.get(bare), Learnt):
            raise BadInput(
                f"models/{bare} is made here, not pulled.",
                f"Make it with: inhouse run models/{bare}",
            )
        if name is None and bare in self.config.models:
            recipe = self.steps(f"models/{bare}")[-1].recipe
        else:
            recipe = _pulled(model, name, self.catalog)
            entry = recipe.ref.name.partition("/")[0]
            if entry in self.config.models:
                raise BadInput(
                    f"models/{entry} is what the project file says it is.",
                    "Give the model another name, or change the entry.",
                )
        model_entry = self.config.models.get(recipe.ref.name)
        own = Label.parse(model_entry.label) if model_entry else Label.OPEN
        if recipe.ref.path not in self.catalog.access.labels():
            self.catalog.access.set_label(recipe.ref, own, by=self.actor_name)
        return self.catalog.make(recipe, by=self.actor_name, progress=progress)

    def house(self, sink: Sink | None = None) -> House:
        """Return the house over this project's store: what the server serves.

        Answers are recorded in `sink`; see `inhouse.project.recording`.
        """
        from inhouse.project import bought
        from inhouse.project.kinds import classifiers, embedders
        from inhouse.project.loaders import Loaders
        from inhouse.serve.house import House

        return House(
            self.catalog,
            Loaders(self.catalog),
            embedders=embedders(self.config),
            classifiers=classifiers(self.config),
            sink=sink,
            prices=bought.prices(self.config),
        )

    def ask(
        self,
        endpoint: str,
        question: str,
        *,
        actor: str | None = None,
        sampling: Sampling | None = None,
        hear: Callable[[str], None] = lambda text: None,
    ) -> Answered:
        """Ask an endpoint, as `actor` or as whoever opened the project.

        Raises:
            Refused: they may not use it, or read any of its knowledge.
            NotFound: the project has no such endpoint, or it has not been made.
            BadInput: the question is empty.
            StoreError: the answer cannot be recorded.
        """
        import asyncio

        from inhouse.project.asking import ask
        from inhouse.project.recording import recorder

        ref = self.made("endpoints", endpoint)
        if not question.strip():
            raise BadInput("The question is empty.", "Ask something.")
        asker = self.catalog.access.actor(actor or self.actor_name)

        async def once() -> Answered:
            sink = recorder(self)
            house = self.house(sink)
            try:
                settings = sampling or Sampling()
                said = [Message("user", question)]
                return await ask(house, ref.name, said, asker, sampling=settings, hear=hear)
            finally:
                await house.close()
                sink.close()

        return asyncio.run(once())

    def search(
        self, knowledge: str, query: str, *, top: int = 5, actor: str | None = None
    ) -> Found:
        """Return the best `top` sections of a knowledge base that the actor may read.

        Raises:
            Refused: they may read none of its sources, or not all that its embedder learnt from.
            NotFound: the project has no such knowledge base, or it has not been made.
            BadInput: the query is empty.
        """
        from inhouse.project.loaders import Loaders
        from inhouse.serve.search import find

        found = self.catalog.get(self.made("knowledge", knowledge))
        ref, access = found.ref, self.catalog.access
        asker = access.actor(actor or self.actor_name)
        access.decide(asker, "search", ref).require()
        with closing(Loaders(self.catalog).retriever(ref)) as retriever:
            return find(retriever, [Message("user", query)], asker, top=top, access=access)[0]

    def evaluate(
        self, ref: str, suite: str, *, progress: Progress = silent
    ) -> tuple[Made, dict[str, Any]]:
        """Measure a knowledge base, model or endpoint; return the report, and what is in it.

        The same version and suite are measured once. A name alone is that of a knowledge base.

        Raises:
            NotFound: one of them is not in the project or has not been made.
            Refused: whoever acts may not read the whole of both.
            BadInput: the suite asks for something else altogether.
        """
        from inhouse.project.evaluating import evaluate

        return evaluate(self, ref, suite, progress=progress)

    def differences(self, reports: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any]]:
        """Return by how much the figures of each report are higher than those of the first.

        Raises:
            BadInput: they are not of one suite of models.
        """
        from inhouse.project.evaluating import differences

        return [differences(reports[0], other) for other in reports[1:]]

    @property
    def pending(self) -> bool:
        """Say whether groups or labels in the project file are not yet in the store."""
        access = self.catalog.access
        labels = access.labels()
        own = {
            f"{section}/{name}": Label.parse(entry.label)
            for section in ("data", "models", "suites", "endpoints")
            for name, entry in getattr(self.config, section).items()
        }
        changed = any(labels.get(path) != label for path, label in own.items())
        return changed or bool(memberships(access.groups(), self.groups))

    def artifact(self, ref: Ref) -> Artifact:
        """Return what a reference means.

        Raises:
            NotFound: there is no such thing, or it has not been made.
        """
        entry = ref.name.partition("/")[0]
        known = getattr(self.config, ref.section, {}) if ref.section != "traces" else {}
        if entry in known and self.catalog.find(ref) is None:
            raise NotFound("artifact", str(ref), (), f"Make it with: inhouse run {ref.path}")
        return self.catalog.get(ref)

    def made(
        self, section: Literal["endpoints", "knowledge", "models", "suites"], name: str
    ) -> Ref:
        """Return what a person means by ``desk`` or ``endpoints/desk``, which is there."""
        known = getattr(self.config, section)
        bare = name.removeprefix(f"{section}/")
        other = name.partition("/")[0]
        if other != section and other in type(self.config).model_fields:
            wanted = ", ".join(f"{section}/{each}" for each in sorted(known)) or "none yet"
            raise BadInput(f"{name} is none of the {section}.", f"Known: {wanted}.")
        if bare not in known:
            raise NotFound(section.removesuffix("s"), bare, known)
        ref = Ref(section, bare)
        if self.catalog.find(ref) is None:
            raise NotFound("artifact", ref.path, (), "Make it with: inhouse run")
        return ref

    def _apply(self, planned: Plan, *, loosen: bool) -> None:
        loosened = [change for change in planned.labels if change.loosens]
        if loosened and not loosen:
            first = loosened[0]
            raise BadInput(
                f"This would loosen {first.ref.path} from {first.before} to {first.after}, for "
                "all its versions and all made from them.",
                "If that is meant: inhouse run --loosen.",
            )
        labels = {change.ref: change.after for change in planned.labels}
        self.catalog.access.apply(self.groups, labels, by=self.actor_name)


def _needed(target: str, every: Sequence[Step]) -> set[str]:
    """Return the path of a target and of all that it is made from; `every` is parents first."""
    if target not in (step.path for step in every):
        paths = [step.path for step in every]
        same = next((path for path in reversed(paths) if path.endswith(f"/{target}")), "")
        raise NotFound("entry", target, paths, f"Did you mean {same!r}?" if same else "")
    wanted = {target}
    for step in reversed(every):
        if step.path in wanted:
            wanted |= {edge.parent.path for edge in step.recipe.parents}
    return wanted


def _pulled(model: str, name: str | None, catalog: Catalog) -> Recipe:
    from inhouse.models import pull
    from inhouse.project.pin import local_pin

    if "://" not in model and not model.startswith("file:"):
        return Recipe(Ref.parse(f"models/{name or model}"), pull.STAGE, pull.Pull.named(model))
    if name is None:
        raise BadInput(f"{model} needs a name.", "Give it one with --name.")
    here = Path.cwd()
    spec = pull.Pull(model, local_pin(model, here, catalog), root=str(here))
    return Recipe(Ref.parse(f"models/{name}"), pull.STAGE, spec)
