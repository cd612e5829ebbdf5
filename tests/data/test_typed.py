"""Rows of a kind: columns are guessed or given, and every known form becomes the same."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from making_sets import real

from inhouse.core.errors import BadInput
from inhouse.data.columns import shape_of, unknown_role
from inhouse.data.parts import LeftOut
from inhouse.data.tables import head
from inhouse.data.typed import Row, typed_rows

ASK = {"role": "user", "content": "Hi?", "calls": [], "answers": ""}
SAY = {"role": "assistant", "content": "Yes.", "calls": [], "answers": ""}
NO = {"role": "assistant", "content": "No.", "calls": [], "answers": ""}
CALL = {"id": "c1", "name": "look", "arguments": '{"at": 1}'}


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def typed(*rows: dict[str, Any], **how: Any) -> list[Row | LeftOut]:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return list(typed_rows("a.jsonl", io.BytesIO(data), shape_of(rows, **how)))


def one(row: dict[str, Any], **how: Any) -> dict[str, Any]:
    (found,) = typed(row, **how)
    assert isinstance(found, Row), found
    return found.values


def why(row: dict[str, Any], **how: Any) -> str:
    (found,) = typed(row, **how)
    assert isinstance(found, LeftOut), found
    assert found.place == ":1"
    return found.reason


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ("text category", "examples: text, label from 'category'"),
        ("Utterance intent", "examples: text from 'Utterance', label from 'intent'"),
        ("id text", "documents: text, id"),
        ("src text kind", "documents: text"),
        ("messages tools id", "chats: messages, tools, id"),
        ("id conversations", "chats: messages from 'conversations', id"),
        ("question answer", "chats: prompt from 'question', response from 'answer'"),
        (
            "instruction input output",
            "chats: prompt from 'instruction', response from 'output', context from 'input'",
        ),
        ("prompt chosen rejected", "preferences: prompt, chosen, rejected"),
        ("chosen rejected", "preferences: chosen, rejected"),
        ("prompt answer chosen rejected good", "preferences: prompt, chosen, rejected"),
        ("question answer good", "preferences: prompt from 'question', answer, good"),
        (
            "prompt completion thumb",
            "preferences: prompt, answer from 'completion', good from 'thumb'",
        ),
    ],
)
def test_columns_say_what_they_hold(columns: str, shown: str) -> None:
    assert str(shape_of([dict.fromkeys(columns.split(), "x")])) == shown


def test_columns_that_say_nothing_are_named() -> None:
    with pytest.raises(BadInput, match=r"'count', 'tweet'.*schema: \{text: COLUMN"):
        shape_of([{"count": "3", "tweet": "x"}])
    with pytest.raises(BadInput, match="chats"):
        shape_of([{"text": "x"}], kind="chats", given={"text": "text"})


def test_a_schema_counts_more_than_a_guess() -> None:
    row = {"tweet": "So.", "class": "2", "text": "not this"}
    found = shape_of([row], given={"text": "tweet", "label": "class"})
    assert str(found) == "examples: text from 'tweet', label from 'class'"
    with pytest.raises(BadInput, match=r"no column 'twet' for 'text'.*'tweet'"):
        shape_of([row], given={"text": "twet", "label": "class"})
    assert unknown_role(["txt"], None) == ("txt", "Did you mean 'text'?")
    assert str(shape_of([{"text": "a", "label": "b"}], kind="documents")) == "documents: text"


def test_examples_have_labels_as_text() -> None:
    assert one({"text": "a", "label": 3}) == {"text": "a", "label": "3"}
    assert one({"text": "a", "label": True})["label"] == "yes"
    assert why({"text": "a", "label": ""}).startswith("It has no 'label'.")
    assert why({"text": 5, "label": "b"}).startswith("Its 'text' is not text.")


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [turn("user", "Hi?"), turn("assistant", "Yes.")]},
        {"messages": json.dumps([turn("user", "Hi?"), turn("assistant", "Yes.")])},
        {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Yes."}]},
        {"prompt": "Hi?", "completion": "Yes."},
        {"messages": [turn("user", [{"type": "text", "text": "Hi?"}]), turn("assistant", "Yes.")]},  # type: ignore[arg-type]
    ],
)
def test_chats_of_all_forms_are_the_same(row: dict[str, Any]) -> None:
    assert one(row) == {"messages": [ASK, SAY], "tools": ""}


def test_systems_and_contexts_go_where_they_belong() -> None:
    found = one({"system": "Be kind.", "instruction": "Sum up.", "input": "Long.", "output": "So."})
    said = [(m["role"], m["content"]) for m in found["messages"]]
    assert said == [("system", "Be kind."), ("user", "Sum up.\n\nLong."), ("assistant", "So.")]


def test_calls_of_tools_are_kept() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer = {"role": "tool", "tool_call_id": "c1", "content": "7"}
    tools = [{"type": "function", "function": {"name": "look"}}]
    found = one({"messages": [turn("user", "Hi?"), asked, answer], "tools": tools})
    assert found["messages"][1]["calls"] == [CALL]
    assert found["messages"][2]["answers"] == "c1"
    assert json.loads(found["tools"]) == tools
    said = [
        {"from": "human", "value": "Hi?"},
        {"from": "function_call", "value": '{"name": "look", "arguments": {"at": 1}}'},
        {"from": "observation", "value": "7"},
    ]
    shared = one({"conversations": said})["messages"]
    assert [m["role"] for m in shared] == ["user", "assistant", "tool"]
    assert shared[1]["calls"] == [CALL | {"id": ""}]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([turn("user", "Hi?")], "no turn of the assistant"),
        ([turn("wizard", "Hi?")], "Message 1 of 'messages' is of the unknown role 'wizard'"),
        ([turn("assistant", " ")], "says nothing"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "something else than text"),
        (["Hi"], "is no object"),
        ([], "It has no 'messages'"),
        (7, "neither a list of messages nor text"),
        ("Hello.", "is one text, and no conversation"),
    ],
)
def test_chats_that_are_none_say_why(messages: Any, reason: str) -> None:
    assert reason in why({"messages": messages})


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi?", "chosen": "Yes.", "rejected": "No."},
        {
            "prompt": [turn("user", "Hi?")],
            "chosen": [turn("assistant", "Yes.")],
            "rejected": [turn("assistant", "No.")],
        },
        {
            "chosen": [turn("user", "Hi?"), turn("assistant", "Yes.")],
            "rejected": [turn("user", "Hi?"), turn("assistant", "No.")],
        },
        {
            "prompt": "Hi?",
            "chosen": [turn("user", "Hi?"), turn("assistant", "Yes.")],
            "rejected": [turn("user", "Hi?"), turn("assistant", "No.")],
        },
        {
            "chosen": "\n\nHuman: Hi?\n\nAssistant: Yes.",
            "rejected": "\n\nHuman: Hi?\n\nAssistant: No.",
        },
    ],
)
def test_preferences_of_all_forms_are_the_same(row: dict[str, Any]) -> None:
    assert one(row) == {"prompt": [ASK], "chosen": [SAY], "rejected": [NO]}


@pytest.mark.parametrize("good", [True, 1, "good", "Up"])
@pytest.mark.parametrize("bad", [False, -1, 0, "bad"])
def test_an_answer_with_a_thumb_is_half_a_pair(good: object, bad: object) -> None:
    wanted = {"prompt": [ASK], "chosen": [SAY], "rejected": []}
    assert one({"prompt": "Hi?", "answer": "Yes.", "good": good}) == wanted
    wanted = {"prompt": [ASK], "chosen": [], "rejected": [NO]}
    assert one({"prompt": [turn("user", "Hi?")], "answer": "No.", "good": bad}) == wanted
    given = {"prompt": "prompt", "answer": "completion", "good": "label"}
    assert one({"prompt": "Hi?", "completion": "No.", "label": bad}, given=given) == wanted


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "Hi?", "answer": "Yes.", "good": "so so"}, "neither good nor bad"),
        ({"prompt": "", "answer": "Yes.", "good": True}, "no prompt, or no answer"),
        ({"prompt": "Hi?", "chosen": "Yes.", "rejected": "Yes."}, "what is rejected"),
        ({"chosen": "Yes.", "rejected": "No."}, "no prompt"),
        ({"prompt": "Hi?", "chosen": "", "rejected": "No."}, "It has no 'chosen'"),
    ],
)
def test_preferences_that_are_none_say_why(row: dict[str, Any], reason: str) -> None:
    assert reason in why(row)


def test_ids_are_the_own_ones_or_stay_with_the_contents() -> None:
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": "x"}, {"text": "a", "label": "x"}]
    first, other, copy = [row.place for row in typed(*rows) if isinstance(row, Row)]
    assert copy == f"{first}-2"
    assert [row.place for row in typed(rows[1], rows[0])] == [other, first]
    owned = [{"id": n, "text": "a"} for n in (7, "b", 7, True)]
    found = typed(*owned)
    assert [row.place for row in found] == ["/7", "/b", ":3", ":4"]
    assert isinstance(found[2], LeftOut)
    assert found[2].reason.startswith("Its id 7 is that of line 1.")


@pytest.mark.data
@pytest.mark.parametrize(
    ("path", "shown", "good", "bad"),
    [
        ("banking77/train.csv", "examples: text, label from 'category'", 10_003, 0),
        ("dialogues/sgd.jsonl", "chats: messages", 1_280, 0),
        ("preferences/dpo.jsonl", "preferences: prompt, chosen, rejected", 2_303, 4),
        ("peps/peps.jsonl.gz", "documents: text", 750, 1),
        ("corpus/000.parquet", "documents: text, id", 666, 0),
    ],
)
def test_real_files_are_read_whole(path: str, shown: str, good: int, bad: int) -> None:
    file = real(path)
    with file.open("rb") as table:
        shape = shape_of(head(path, table))
    with file.open("rb") as table:
        found = list(typed_rows(path, table, shape))
    left_out = [row for row in found if isinstance(row, LeftOut)]
    assert (str(shape), len(found) - len(left_out), len(left_out)) == (shown, good, bad)
    places = [row.place for row in found if isinstance(row, Row)]
    assert len(set(places)) == len(places)


def test_an_id_made_of_what_a_row_says_tells_only_who_knows_the_salt() -> None:
    def id_of(salt: str) -> str:
        (found,) = typed_rows("a.jsonl", io.BytesIO(data), shape_of(rows), salt)
        assert isinstance(found, Row)
        return found.place

    rows = [{"text": "SSN 460-89-9847"}]
    data = json.dumps(rows[0]).encode()
    assert id_of("one") == id_of("one") != id_of("another") != id_of("")
