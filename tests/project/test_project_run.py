"""A run applies labels and groups, makes what is missing, and takes out what is gone."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_project import edit, opened, write

from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, NotFound, Refused
from inhouse.core.nouns import Found
from inhouse.knowledge.search import GuardedSearch, KnowledgeBase
from inhouse.project.loaders import Loaders
from inhouse.project.project import Project
from inhouse.serve.house import Offer


def may(project: Project, actor: str, ref: str) -> bool:
    asker = project.catalog.access.actor(actor)
    thing = project.catalog.get(Ref.parse(ref)).ref
    return project.catalog.access.decide(asker, "read", thing, record=False).allowed


def test_labels_and_groups_are_applied(made: Path):
    with opened(made) as project:
        assert project.catalog.access.groups() == {
            "ana": frozenset({"buy-side"}),
            "bo": frozenset({"buy-side"}),
            "cy": frozenset({"sell-side"}),
        }
        assert may(project, "ana", "knowledge/all")
        assert not may(project, "cy", "knowledge/all")
        assert may(project, "cy", "data/handbook")
        assert project.actor == Actor("ana", frozenset({"buy-side"}))


def test_tightening_takes_effect_on_what_was_derived(made: Path):
    with opened(made) as project:
        before = project.catalog.get(Ref.parse("knowledge/all"))
        assert may(project, "ana", "data/handbook")
    edit(made, "{from: ./docs/handbook}", "{from: ./docs/handbook, label: sell-side}")
    edit(made, "all: {from: [data/handbook, data/memos]", "all: {from: [data/handbook]")
    with opened(made) as project:
        change = project.plan().labels
        assert [(c.ref.path, str(c.before), str(c.after), c.loosens) for c in change] == [
            ("data/handbook", "open", "sell-side", False)
        ]
        project.run()
        assert not may(project, "ana", "data/handbook")
        # The old version too: it was made from both, and now nobody may read it.
        old = project.catalog.get(before.ref)
        assert str(old.label) == "buy-side & sell-side"


def test_a_label_alone_makes_nothing_anew(made: Path):
    edit(made, "{from: ./docs/handbook}", "{from: ./docs/handbook, label: buy-side}")
    with opened(made) as project:
        assert not any(step.made.fresh for step in project.run())
        assert not may(project, "cy", "data/handbook")


def test_loosening_is_refused_unless_it_is_meant(made: Path):
    edit(made, "label: buy-side}", "label: buy-side|sell-side}")
    with opened(made) as project:
        with pytest.raises(
            BadInput, match=r"loosen data/memos from buy-side to buy-side\|sell-side"
        ):
            project.run()
        with pytest.raises(BadInput, match="--loosen"):
            project.run("data/handbook")  # a target is no way around it
        assert not may(project, "cy", "data/memos")
        project.run(loosen=True)
        assert may(project, "cy", "data/memos")


def test_nothing_is_applied_where_loosening_is_refused(made: Path):
    edit(made, "label: buy-side}", "label: open}")
    edit(made, "sell-side: [cy]", "sell-side: [cy, di]")
    edit(made, "{from: ./docs/handbook}", "{from: ./docs/handbook, label: sell-side}")
    edit(made, "all: {from: [data/handbook, data/memos]", "all: {from: [data/handbook]")
    with opened(made) as project:
        with pytest.raises(BadInput):
            project.run()
        assert "di" not in project.catalog.access.groups()
        assert may(project, "ana", "data/handbook")


def test_somebody_who_leaves_a_group_is_refused_at_once(made: Path):
    with opened(made) as project:
        assert project.search("desk", "price", actor="bo").hits
    edit(made, "[ana, bo]", "[ana]")
    with opened(made) as project:
        assert project.plan().memberships
        project.run("data/handbook")
        with pytest.raises(Refused):
            project.search("desk", "price", actor="bo")


def test_search_shows_only_what_the_actor_may_read(made: Path):
    with opened(made) as project:
        seen = {hit.section.source.path for hit in project.search("all", "price", actor="cy").hits}
        assert seen == {"data/handbook"}
        assert len(project.search("all", "price", actor="ana", top=9).hits) == 3
        with pytest.raises(Refused):
            project.search("desk", "price", actor="cy")
        with pytest.raises(NotFound, match="'desk'"):
            project.search("dsk", "price")


def test_a_search_asks_a_second_time_who_may_read(made: Path, monkeypatch: pytest.MonkeyPatch):
    found = GuardedSearch.search

    def forgetful(guarded: GuardedSearch, query: str, actor: Actor, **more: object) -> Found:
        return found(guarded, query, Actor("ana", frozenset({"buy-side"})), **more)

    monkeypatch.setattr(GuardedSearch, "search", forgetful)
    with opened(made) as project:
        told = project.search("all", " price ", actor="cy")
        assert {hit.section.source.path for hit in told.hits} == {"data/handbook"}
        assert (told.query, told.support) == ("price", 0.0)
        assert len(project.search("all", "price " * 1000, actor="ana").query) <= 2000


def test_an_empty_search_is_one_sentence(made: Path):
    with opened(made) as project:
        for empty in ("", " \n"):
            with pytest.raises(BadInput, match="question is empty"):
                project.search("desk", empty)


def test_a_search_leaves_nothing_open(made: Path, monkeypatch: pytest.MonkeyPatch):
    closed: list[KnowledgeBase] = []
    close = KnowledgeBase.close

    def noted(base: KnowledgeBase) -> None:
        closed.append(base)
        close(base)

    monkeypatch.setattr(KnowledgeBase, "close", noted)
    with opened(made) as project:
        project.search("desk", "price")
        with pytest.raises(BadInput):
            project.search("desk", "")
    assert len(closed) == 2


def test_knowledge_bases_share_an_embedder(made: Path):
    with opened(made) as project:
        loaders = Loaders(project.catalog)
        ref = project.catalog.get(Ref.parse("models/minilm/openvino-f16")).ref
        embedder = loaders.embedder(ref)
        assert loaders.embedder(ref) is embedder
        held = weakref.ref(embedder)
        del embedder
        assert held() is None, "it goes when nobody needs it"


def test_editing_one_document_embeds_its_sections_alone(made: Path):
    write(made.parent, {"docs/memos/one.md": "# One\n\n## Price\n\nThe price is eight.\n"})
    with opened(made) as project:
        summaries = {
            f.planned.step.path: f.made.artifact.summary for f in project.run() if f.made.fresh
        }
    both = [(s["embedded"], s["reused"]) for s in summaries.values() if "embedded" in s]
    assert sorted(both) == [(0, 3), (1, 1)], "the second takes the vector of the first"


def test_documents_that_come_back_are_not_embedded_again(made: Path):
    memos = made.parent / "docs/memos"
    kept = {path: path.read_text(encoding="utf-8") for path in memos.iterdir()}
    for path in kept:
        path.unlink()
    with opened(made) as project:
        project.run()
    write(made.parent, {"docs/memos/new.md": "# New\n\nA line that nobody knows.\n"})
    for path, text in kept.items():
        path.write_text(text, encoding="utf-8")
    with opened(made) as project:
        made_now = [f.made.artifact for f in project.run() if f.made.fresh]
    embedded = [a.summary["embedded"] for a in made_now if a.ref.section == "knowledge"]
    assert sorted(embedded) == [0, 1]


def test_touching_a_document_makes_nothing_new(made: Path):
    one, two = (made.parent / f"docs/memos/{name}.md" for name in ("one", "two"))
    with opened(made) as project:
        before = {hit.section.modified for hit in project.search("desk", "price", top=9).hits}
        assert len(before) == 2
        os.utime(one, (1_700_000_000, 1_700_000_000))
        assert not any(f.made.fresh for f in project.run())
        two.write_text("# Two\n\nThe weight is nine.\n", encoding="utf-8")
        assert any(f.made.fresh for f in project.run())
        after = {hit.section.modified for hit in project.search("desk", "price", top=9).hits}
        assert after - before == {two.stat().st_mtime}
        assert len(after & before) == 1


def offered(project: Project, actor: str) -> Sequence[Offer]:
    async def ask() -> Sequence[Offer]:
        house = project.house()
        try:
            return await house.offers(project.catalog.access.actor(actor))
        finally:
            await house.close()

    return asyncio.run(ask())


def offers(project: Project, actor: str) -> set[str]:
    return {offer.name for offer in offered(project, actor)}


def test_what_is_offered_does_not_tell_that_closed_documents_changed(made: Path):
    edit(made, "  open: {model:", "  open: {knowledge: knowledge/all, model:")
    with opened(made) as project:
        project.run()
        project.catalog.releases.release(
            project.catalog.releases.candidate(Ref.parse("endpoints/open")), by="ana"
        )
        before, version = offered(project, "cy"), project.catalog.get(Ref.parse("endpoints/open"))
        assert "open" in {offer.name for offer in before}
    write(made.parent, {"docs/memos/one.md": "# One\n\nThe price is eight.\n"})
    with opened(made) as project:
        project.run()
        assert project.catalog.get(Ref.parse("endpoints/open")) != version
        assert offered(project, "cy") == before


def without_open_endpoint(file: Path) -> None:
    edit(file, '  open: {model: {api: "http://127.0.0.1:9/v1", name: echo}}\n', "")


def test_an_endpoint_that_the_file_has_no_more_goes_out_of_service(made: Path):
    without_open_endpoint(made)
    with opened(made) as project:
        assert "open" in offers(project, "cy")
        plan = project.plan()
        assert [ref.path for ref in plan.retired] == ["endpoints/open"]
        assert plan.changes
        project.run()
        assert "open" not in offers(project, "cy")
        assert project.catalog.find(Ref.parse("endpoints/open")) is None
        assert project.catalog.find(plan.retired[0]) is not None  # on record by its version
        last = [entry for entry in project.catalog.audit() if entry.action == "retire"]
        assert [(entry.actor, entry.thing) for entry in last] == [("ana", "endpoints/open")]
        assert not project.plan().changes
        with pytest.raises(NotFound):
            project.catalog.retire(Ref.parse("endpoints/open"), by="ana")


def test_a_running_house_forgets_a_retired_endpoint(made: Path):
    async def use(project: Project) -> None:
        house = project.house()
        actor = project.catalog.access.actor("cy")
        async with house.endpoint("open", actor) as served:
            assert served.endpoint.ref.path == "endpoints/open"
            await asyncio.to_thread(project.catalog.retire, served.endpoint.ref, by="ana")
        with pytest.raises(NotFound):
            async with house.endpoint("open", actor):
                pass
        await house.close()

    with opened(made) as project:
        asyncio.run(use(project))


def test_a_run_with_a_target_retires_nothing(made: Path):
    without_open_endpoint(made)
    with opened(made) as project:
        assert project.plan("endpoints/desk").retired == ()
        project.run("endpoints/desk")
        assert "open" in offers(project, "cy")


def test_a_retired_endpoint_comes_back(made: Path):
    text = made.read_text()
    without_open_endpoint(made)
    with opened(made) as project:
        project.run()
    made.write_text(text)
    with opened(made) as project:
        assert "endpoints/open" in {
            p.step.path for p in project.plan().steps if p.status == "will point to it"
        }
        assert not any(step.made.fresh for step in project.run())
        assert "open" in offers(project, "cy")


def test_retired_endpoints_are_collected(made: Path):
    without_open_endpoint(made)
    with opened(made) as project:
        project.run()
        gone = project.catalog.collect(by="ana")
        assert [ref.path for ref in gone.artifacts] == ["endpoints/open"]
        assert not project.plan().changes


def test_a_model_pulled_by_hand_needs_a_name_of_its_own(made: Path, tiny_weights: Path):
    with opened(made) as project:
        with pytest.raises(BadInput, match="--name"):
            project.pull(f"file:{tiny_weights}")
        assert project.pull(f"file:{tiny_weights}", name="other").fresh
        assert not project.pull("minilm").fresh  # the project's own
        with pytest.raises(NotFound):
            project.pull("no-such-model")
        for name in ("minilm", "minilm/openvino-f16"):
            with pytest.raises(BadInput, match="minilm"):
                project.pull(f"file:{tiny_weights}", name=name)


def test_the_last_document_can_be_deleted(made: Path):
    with opened(made) as project:
        assert project.search("desk", "What is the price?").hits
        for memo in (made.parent / "docs/memos").iterdir():
            memo.unlink()
        project.run()
        assert project.search("desk", "What is the price?").hits == ()
        assert project.search("all", "How long?").hits


def test_documents_that_were_deleted_are_said_to_be(made: Path):
    with opened(made) as project:
        project.catalog.delete(Ref("data", "memos"), by="ana")
        with pytest.raises(Refused, match="data/memos: it was deleted") as said:
            project.search("desk", "price")
        assert said.value.fix == "Make them with: inhouse run"
        reasons = {p.step.path: p.reason for p in project.plan().steps}
        assert reasons["data/memos"] == "it was deleted"
        project.run()
        assert project.search("desk", "price").hits


def test_what_a_run_hands_back_can_be_looked_at(made: Path):
    write(made.parent, {f"docs/memos/more{i}.md": f"# More {i}\n\nText.\n" for i in range(50)})
    with opened(made) as project:
        shown = repr(project.run())
    assert "data/handbook" in shown
    assert "up to date" in shown
    assert len(shown) < 1000


def test_what_cannot_be_looked_at_stops_nothing(made: Path):
    from inhouse.project.left_out import left_out

    memos = made.parent / "docs/memos"
    (memos / "circle.md").symlink_to(memos / "circle.md")
    odd = os.fsdecode(os.fsencode(memos) + b"/\xff.md")
    Path(odd).write_text("text", encoding="utf-8")
    os.utime(odd, (1, 1))
    with opened(made) as project:
        project.run()
        told = left_out(project, project.artifact(Ref.parse("knowledge/all"))).files
    assert {line["path"] for line in told} == {"docs/memos/\\xff.md", "docs/memos/circle.md"}
