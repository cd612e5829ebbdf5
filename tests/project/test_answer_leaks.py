"""What somebody may not read changes nothing in what an endpoint tells them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from knowledge.workshop import base, source

from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.label import Label
from inhouse.core.nouns import Endpoint, Message
from inhouse.core.protocols import Sampling
from inhouse.knowledge.search import GuardedSearch, KnowledgeBase
from inhouse.models.fake import EchoModel
from inhouse.serve.answer import Ending, answer
from inhouse.serve.endpoint import Serve
from inhouse.serve.house import Served

NAMES = ["data/a", "data/b", "data/c"]
ENDPOINT = Ref.parse("endpoints/desk@abcd1234")

WORDS = st.sampled_from(["zebra", "deal", "travel", "fly", "leave", "days", "it", "not", "7", "漢"])
SENTENCE = st.lists(WORDS, min_size=1, max_size=12).map(" ".join).map("{}.".format)
TEXT = st.lists(SENTENCE, min_size=1, max_size=5).map(" ".join)
MARKDOWN = st.lists(TEXT, min_size=1, max_size=3).map("\n\n# Part zebra\n\n".join)
COMPANY = st.dictionaries(
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(["a.md", "b.md"]), MARKDOWN, max_size=2),
    min_size=1,
)
TALK = st.lists(TEXT, min_size=1, max_size=3).map(
    lambda texts: (
        [Message(role, text) for text in texts[:-1] for role in ("user", "assistant")]
        + [Message("user", texts[-1])]
    )
)
SETTINGS = st.builds(
    lambda mode, check, **rest: Serve(mode=mode if check else "compose", check=check, **rest),
    mode=st.sampled_from(["compose", "extract"]),
    check=st.booleans(),
    top=st.sampled_from([1, 3]),
    support=st.sampled_from([0.0, 0.5, 0.9, 0.97]),
    rewrite=st.booleans(),
)


class Rules:
    """Decides by the name of a source, in the place of a catalog."""

    def __init__(self, readable: set[str]) -> None:
        self.readable = readable

    def decide(self, actor: Actor, action: str, thing: Ref, *, record: bool = True) -> Decision:
        label = Label.parse(thing.path.replace("data/", "group-"))
        return Decision(thing.path in self.readable, actor.name, "read", thing, label)

    def by_path(self, actor: Actor, path: str) -> Decision:
        return self.decide(actor, "read", Ref.parse(path))


def told(desk: KnowledgeBase, rules: Rules, talk: list[Message], how: Serve) -> list[str | Ending]:
    """Return all that is told: the text piece by piece, and how it ends."""
    served = Served(
        endpoint=Endpoint(ENDPOINT, None),
        settings=how,
        model=EchoModel(),
        digest="",
        retriever=GuardedSearch(desk, rules.by_path),
        actor=Actor("ana"),
        label=Label.OPEN,
    )

    async def once() -> list[str | Ending]:
        return [part async for part in answer(served, talk, Sampling(), access=rules)]

    return asyncio.run(once())


@settings(deadline=None, max_examples=40)
@given(COMPANY, st.sets(st.sampled_from(NAMES), min_size=1), TALK, SETTINGS)
def test_what_may_not_be_read_changes_nothing_in_an_answer(
    company: dict[str, dict[str, str]], readable: set[str], talk: list[Message], how: Serve
) -> None:
    assume(readable & company.keys())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = [source(folder / path, path, texts) for path, texts in company.items()]
        whole = base(folder / "whole", inputs)
        mine = base(folder / "mine", [i for i in inputs if i.artifact.ref.path in readable])
        rules = Rules(readable)
        assert told(whole, rules, talk, how) == told(mine, rules, talk, how)
        whole.close()
        mine.close()
