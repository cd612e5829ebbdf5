"""From a question to an answer: rewritten, refused, composed or extracted, and cited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from serve_world import World, section

from inhouse.core.access import Actor
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.core.nouns import Message
from inhouse.core.protocols import Sampling
from inhouse.serve.answer import POLITE, QUOTED, REFUSAL, SUMMED_UP, Ending, answer
from inhouse.serve.endpoint import Serve

ANA = Actor("ana", frozenset({"buy-side"}))
CY = Actor("cy")
PARENTS = [Message("user", "parents")]
PASSAGE = "Parents get ten weeks"
TALK = [
    Message("user", "How long may parents stay away?"),
    Message("assistant", "Ten weeks."),
    Message("user", "And paid?"),
]


def ask(
    world: World, messages: Sequence[Message], *, actor: Actor = CY, says: Sequence[str] = ()
) -> tuple[str, Ending]:
    """Ask the endpoint 'help', whose model gives these answers one after the other."""

    async def once() -> tuple[str, Ending]:
        async with world.house.endpoint("help", actor) as served:
            served.model.answers[:] = says
            access = world.catalog.access
            stream = answer(served, messages, Sampling(), access=access)
            parts = [part async for part in stream]
        await world.house.close()
        _, *texts, ending = parts
        assert isinstance(ending, Ending)
        return "".join(texts), ending

    return asyncio.run(once())


def settle(world: World, **settings: object) -> None:
    world.endpoint("endpoints/help", world.base, world.knowledge, **settings)


def quotes(ending: Ending) -> dict[int, str]:
    return {citation.number: citation.quote for citation in ending.citations}


def test_what_the_sections_hardly_support_is_refused(world: World) -> None:
    world.engines.retriever_double.support = 0.49
    text, ending = ask(world, PARENTS)
    assert text == (
        f"{REFUSAL}\n\nThe nearest sections, which are no answer:\n"
        "[1] leave.md › Leave › Parental\n[2] leave.md › Leave › Sick"
    )
    assert (ending.refused, ending.support, ending.finish) == (True, 0.49, "stop")
    assert quotes(ending) == {1: "Parents get ten weeks", 2: "Sick people and parents rest"}
    assert world.double(world.base).seen == [], "the model is not asked"


def test_thanks_are_no_question_without_an_answer(world: World) -> None:
    world.engines.retriever_double.support = 0.0
    world.engines.retriever_double.asks = False
    text, ending = ask(world, [Message("user", "parents thank you")])
    assert text == POLITE
    assert (ending.refused, ending.citations, ending.support) == (False, (), None)
    assert world.double(world.base).seen == [], "the model is not asked"


def test_a_refusal_tells_nothing_of_what_is_closed(world: World) -> None:
    world.engines.retriever_double.support = 0.0
    world.engines.retriever_double.walls = {}
    text, ending = ask(world, PARENTS)
    assert "Secret" not in text
    assert "Bermuda" not in repr(ending)
    assert str(world.memos) not in repr(ending)
    assert ending.label == Label.OPEN
    _, ending = ask(world, PARENTS, actor=ANA)
    assert "Bermuda" in repr(ending)
    assert ending.label == Label.parse("buy-side")


@pytest.mark.parametrize("settings", [{"support": 0.0}, {"support": 0.3}, {"check": False}])
def test_the_bar_is_the_endpoints(world: World, settings: dict[str, object]) -> None:
    settle(world, **settings)
    world.engines.retriever_double.support = 0.3
    _, ending = ask(world, PARENTS)
    assert not ending.refused
    assert len(world.double(world.base).seen) == 1


def test_an_able_model_that_finds_no_answer_is_heard(world: World) -> None:
    says = ["The documents do not say anything about that."]
    text, ending = ask(world, PARENTS, says=says)
    assert text.startswith(f"{QUOTED}Parents get ten weeks.")
    assert not ending.refused
    settle(world, rewrite=True)
    text, ending = ask(world, PARENTS, says=says)
    assert text.startswith(REFUSAL)
    assert ending.refused
    assert ending.support == 1.0


def test_where_nothing_passes_the_nearest_section_is_quoted(world: World) -> None:
    text, ending = ask(world, PARENTS, says=["The moon is made of old cheese."])
    assert text.startswith(f"{QUOTED}Parents get ten weeks. With pay. [1]\n\nSources:\n[1]")
    assert not ending.refused
    assert quotes(ending) == {1: "Parents get ten weeks. With pay."}


def test_a_quote_is_what_the_sentence_rests_on(world: World) -> None:
    says = ["People who are sick rest at home. They get ten weeks off."]
    text, ending = ask(world, [Message("user", "sick parents")], says=says)
    assert quotes(ending) == {1: "Parents get ten weeks.", 2: "Sick people and parents rest."}
    text, ending = ask(world, PARENTS, says=["Parents all get ten weeks."])
    assert text.startswith("Parents all get ten weeks. [1]\n\nSources:")
    assert quotes(ending) == {1: "Parents get ten weeks."}


def test_a_trusted_model_cites_all_that_it_was_given(world: World) -> None:
    settle(world, check=False)
    text, ending = ask(world, PARENTS, says=["The moon is made of cheese."])
    assert text.startswith("The moon is made of cheese. ")
    assert set(quotes(ending)) == {1, 2}


def test_extracting_quotes_one_section(world: World) -> None:
    settle(world, mode="extract")
    text, ending = ask(world, PARENTS, says=["The moon is made of cheese."])
    assert text == (
        f"{QUOTED}Parents get ten weeks. With pay. [1]\n\nSources:\n[1] leave.md › Leave › Parental"
    )
    assert quotes(ending) == {1: "Parents get ten weeks. With pay."}
    prompt = world.double(world.base).seen[0][0][-1].content
    assert "With pay" in prompt
    assert "Sick" not in prompt, "the model sees that section alone"


def test_a_summary_of_the_section_is_added_if_it_passes(world: World) -> None:
    settle(world, mode="extract")
    text, ending = ask(world, PARENTS, says=["The pay of parents lasts ten weeks on Friday."])
    assert f"[1]{SUMMED_UP}The pay of parents" not in text, "Friday is nowhere said"
    text, ending = ask(world, PARENTS, says=["With pay, parents get weeks."])
    assert SUMMED_UP not in text, "that was quoted"
    long = f"Parents get {'ten weeks, ' * 6}with pay.\n\nTheir manager is told a month before."
    world.engines.retriever_double.sections = [section(world.handbook, 0, "Parental", long)]
    text, ending = ask(world, PARENTS, says=["A month before, the manager is told by parents."])
    assert f"with pay. [1]{SUMMED_UP}A month before, the manager is told by parents. [1]\n" in text
    assert quotes(ending) == {1: long}


def test_a_later_turn_is_searched_with_those_before(world: World) -> None:
    ask(world, TALK)
    asked, before = world.engines.retriever_double.asked[0]
    assert (asked, list(before)) == ("And paid?", TALK[:-1])


def test_a_model_that_can_makes_the_question_stand_alone(world: World) -> None:
    settle(world, rewrite=True)
    says = ['"How long may parents stay away paid?"', "Parents get ten weeks with pay."]
    _, ending = ask(world, TALK, says=says)
    assert ending.query == "How long may parents stay away paid?"
    assert world.engines.retriever_double.asked == [(ending.query, [])]
    rewriting, writing = world.double(world.base).seen
    assert rewriting[1].temperature == 0
    assert rewriting[1].max_tokens <= 100
    assert "Question: And paid?" in writing[0][-1].content, "the model answers what was asked"
    read = sum(world.double(world.base).count(messages) for messages, _ in (rewriting, writing))
    assert ending.usage.prompt_tokens == read, "both are counted"


@pytest.mark.parametrize(
    "absurd",
    [
        "",
        " ?",
        "I'm sorry, could you say paid parents?",
        "May parents stay away paid? " * 2,
        "parents paid " * 60 + "?",
        "The moon is made of old cheese",
        "Ten weeks. The answer is: ten weeks paid.",
        "Parents may stay away paid.",
        "May parents stay away paid ten weeks?",
        "May parents stay away paid 10 weeks?",
        "May parents stay away?",
        "May parents not stay away paid?",
    ],
)
def test_what_is_not_the_question_in_words_of_the_user_is_not_looked_for(
    world: World, absurd: str
) -> None:
    settle(world, rewrite=True)
    _, ending = ask(world, TALK, says=[absurd])
    assert ending.query == "And paid?"
    assert world.engines.retriever_double.asked[0][1] == TALK[:-1]


def test_a_question_keeps_its_numbers(world: World) -> None:
    settle(world, rewrite=True)
    talk = [*TALK[:-1], Message("user", "And what about 100000 euros?")]
    for said, kept in (("100000", True), ("100009", False)):
        wanted = f"How long may parents stay away for {said} euros?"
        _, ending = ask(world, talk, says=[wanted])
        assert (ending.query == wanted) == kept


def test_what_a_model_took_is_known_though_it_was_stopped(world: World) -> None:
    settle(world, rewrite=True)
    astray = "The moon is made of cheese. Elephants never forget a face. And so on, and so on."
    for said, estimated in ((astray, True), ("Parents get ten weeks with pay.", False)):
        _, ending = ask(world, PARENTS, says=[said])
        double = world.double(world.base)
        assert ending.usage.estimated == estimated
        assert ending.usage.prompt_tokens == double.count(double.seen[-1][0])
        assert ending.usage.completion_tokens >= 11, "words of two sentences, or what it tells"
    _, ending = ask(world, TALK, says=["How long may parents stay away paid?", astray])
    read = sum(double.count(messages) for messages, _ in double.seen[-2:])
    assert (ending.usage.prompt_tokens, ending.usage.estimated) == (read, True)


def test_a_first_turn_is_not_rewritten(world: World) -> None:
    settle(world, rewrite=True)
    ask(world, PARENTS)
    assert len(world.double(world.base).seen) == 1


def test_who_rewrites(world: World) -> None:
    api = {"url": "https://x", "name": "m"}
    assert Serve(api=api).able
    assert not Serve(api=api, rewrite=False).able
    assert not Serve().able
    assert Serve(rewrite=True).able


def test_settings_that_cannot_be(world: World) -> None:
    with pytest.raises(BadInput, match="always checks"):
        Serve(mode="extract", check=False)
    with pytest.raises(BadInput, match="support of 2"):
        Serve(support=2)
    with pytest.raises(BadInput, match="nothing to extract"):
        world.endpoint("endpoints/api", world.base, mode="extract")


def test_without_knowledge_nothing_was_looked_for(world: World) -> None:
    async def once() -> Ending:
        async with world.house.endpoint("desk", ANA) as served:
            stream = answer(served, PARENTS, Sampling(), access=world.catalog.access)
            *_, ending = [part async for part in stream]
        await world.house.close()
        return ending

    ending = asyncio.run(once())
    assert (ending.query, ending.support, ending.refused) == (None, None, False)
    assert world.catalog.get(Ref.parse("endpoints/desk")).params["support"] == 0.5
