"""OpenAI's newer dialect, by its own client: whole and streamed."""

from __future__ import annotations

from collections.abc import Callable

import openai
import pytest
from serve_world import World

from inhouse.core.protocols import JSON_OBJECT

Clients = Callable[[str], openai.OpenAI]


def test_a_whole_response(world: World, client: Clients) -> None:
    raw = client("ana").responses.with_raw_response.create(
        model="desk",
        input="how are you",
        instructions="be kind",
        max_output_tokens=9,
        temperature=0.5,
        metadata={"a": "b"},
    )
    assert raw.headers["x-inhouse-digest"] == world.catalog.get(world.analyst).digest
    made = raw.parse()
    assert made.id == f"resp_{raw.headers['x-request-id']}"
    assert made.output_text == "analyst: how are you "
    assert (made.status, made.metadata) == ("completed", {"a": "b"})
    assert made.usage.output_tokens == 4
    assert made.inhouse["label"] == "buy-side"
    messages, sampling = world.double(world.analyst).seen[0]
    assert [(m.role, m.content) for m in messages] == [
        ("system", "be kind"),
        ("user", "how are you"),
    ]
    assert (sampling.max_tokens, sampling.temperature) == (9, 0.5)


def test_messages_as_input(world: World, client: Clients) -> None:
    talk = [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "content": [{"type": "output_text", "text": "b", "annotations": [], "logprobs": []}],
        },
        {"role": "user", "content": "c"},
    ]
    client("ana").responses.create(model="desk", input=talk, text={"format": {"type": "text"}})
    seen = world.double(world.analyst).seen[0][0]
    assert [(m.role, m.content) for m in seen] == [
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]


def test_a_stream_has_the_standard_events(client: Clients) -> None:
    events = list(client("ana").responses.create(model="desk", input="one two", stream=True))
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * 3,
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(e.delta for e in events if e.type.endswith("delta")) == "analyst: one two "
    assert events[-1].response.output_text == "analyst: one two "
    assert events[-1].response.usage.output_tokens == 3


def test_the_clients_own_reader_of_streams(client: Clients) -> None:
    with client("ana").responses.stream(model="desk", input="one two") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == "analyst: one two "


def test_knowledge_is_cited(client: Clients) -> None:
    made = client("cy").responses.create(model="help", input="parents")
    assert made.output_text.endswith("[1] leave.md › Leave › Parental")
    assert len(made.inhouse["citations"]) == 1


def test_json(world: World, client: Clients) -> None:
    client("ana").responses.create(
        model="desk", input="x", text={"format": {"type": "json_object"}}
    )
    assert world.double(world.analyst).seen[0][1].constraint == JSON_OBJECT


@pytest.mark.parametrize(
    "asked",
    [
        {"previous_response_id": "resp_1"},
        {"tools": [{"type": "web_search"}]},
        {"background": True},
        {"reasoning": {"effort": "low"}},
    ],
)
def test_what_is_not_kept_or_done_is_refused_by_name(
    client: Clients, asked: dict[str, object]
) -> None:
    with pytest.raises(openai.BadRequestError, match="not supported") as caught:
        client("ana").responses.create(model="desk", input="x", **asked)
    assert [caught.value.param] == list(asked)


def test_failures_before_and_within_a_stream(
    client: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(openai.InternalServerError):
        client("ana").responses.create(model="desk", input="break at once", stream=True)
    events = client("ana").responses.create(model="desk", input="break", stream=True)
    with pytest.raises(openai.APIError, match="Tell the operator the id"):
        list(events)
    assert "a secret of the engine" in caplog.text
