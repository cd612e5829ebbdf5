"""Tokens of documents and chats: what is said to them, what is learnt, and only what is new."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models.conftest import as_input, pulled
from models.test_text_stream import byte_tokenizer
from tokenizers import AddedToken, Tokenizer

from inhouse.catalog.rows import write_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Input
from inhouse.core.errors import BadInput
from inhouse.core.nouns import Message
from inhouse.core.stage import Context, Other
from inhouse.models.chat_format import ChatFormat
from inhouse.train import tokenise
from inhouse.train.samples import samples_of
from inhouse.train.spoken import encode, spoken
from inhouse.train.tokens import Tokens

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOOLS = (
    "{% if tools %}<|im_start|>tools\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls %}[{{ c.function | tojson }}]{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LAST_THINKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think></think>{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What tokenising needs of a model: a tokenizer of bytes, and a template."""
    folder = tmp_path / "model"
    folder.mkdir()
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens([AddedToken(s, special=True) for s in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"vocab_size": tokenizer.get_vocab_size()}))
    (folder / "chat_template.jinja").write_text(CHATML)
    return folder


@pytest.fixture(scope="module")
def smollm(weights_store: Path) -> Path:
    """The built-in language model as pulled: its tokenizer comes out of a GGUF file."""
    return pulled(weights_store, "models/base")


@pytest.fixture(scope="module")
def form(smollm: Path) -> ChatFormat:
    return ChatFormat(smollm)


def turn(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, "calls": [], "answers": "", **more}


def talk(id: str, *said: str, tools: str = "") -> dict[str, Any]:
    """A conversation in which the user begins and the assistant answers."""
    roles = ("user", "assistant")
    return {
        "id": id,
        "messages": [turn(roles[n % 2], text) for n, text in enumerate(said)],
        "tools": tools,
    }


def texts(**found: str) -> list[dict[str, Any]]:
    return [{"id": id, "text": text, "digest": "file"} for id, text in found.items()]


def made(
    work: Path,
    model: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    previous: Input | None = None,
    others: Sequence[Other] = (),
) -> tuple[Mapping[str, Any], Input]:
    """Tokenise rows; return the summary, and the result as the catalog presents it."""
    data = work / "data"
    data.mkdir(parents=True)
    by_column = {"messages": "chats", "chosen": "preferences", "text": "documents"}
    write_rows(data, next(kind for name, kind in by_column.items() if name in rows[0]), rows)
    folder = work / "tokens"
    folder.mkdir()
    ctx = Context(folder, Actor("test"), previous=previous, others=lambda: iter(others))
    inputs = {"data": as_input(data), "model": as_input(model)}
    summary = tokenise.run(tokenise.Tokenise(), inputs, ctx).summary
    result = as_input(folder)
    artifact = replace(result.artifact, recipe=tokenise.STAGE.recipe, code=tokenise.STAGE.code)
    return summary, replace(result, artifact=artifact)


def stretches(ids: np.ndarray, loss: np.ndarray, tokenizer: Tokenizer) -> Iterator[str]:
    """Yield the text of each stretch of tokens that is learnt."""
    for part in np.split(np.arange(len(ids)), np.flatnonzero(np.diff(loss)) + 1):
        if loss[part[0]]:
            yield tokenizer.decode(ids[part].tolist(), skip_special_tokens=False)


def test_documents_end_and_special_tokens_in_them_are_text(tmp_path: Path, model: Path) -> None:
    rows = texts(a="one<|im_end|>two", b="<|endoftext|>", c="")
    summary, result = made(tmp_path / "a", model, rows)
    tokens = Tokens(result.folder)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    end = tokenizer.token_to_id("<|endoftext|>")
    assert (tokens.ids == end).sum() == 2
    for place, text in enumerate(["one<|im_end|>two", "<|endoftext|>"]):
        ids, loss = tokens.document(place)
        assert loss is None
        assert ids[-1] == end
        assert tokenizer.decode(ids[:-1].tolist(), skip_special_tokens=False) == text
    assert summary["skipped"] == {"empty": 1}
    assert tokens.about.template == ""


def test_only_what_is_new_is_tokenised(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = made(tmp_path / "a", model, texts(a="one", b="two", c="three"))
    rows = texts(c="three", new="four", a="one", b="2", again="one")
    summary, second = made(tmp_path / "b", model, rows, previous=first)
    assert summary["reused"] == 3
    fresh, alone = made(tmp_path / "c", model, rows)
    assert fresh["reused"] == 0
    assert Tokens(second.folder).about == Tokens(alone.folder).about
    assert [id for id, _ in Tokens(second.folder).names()] == ["c", "new", "a", "b", "again"]
    elsewhere = Other(fresh, lambda: alone)
    assert made(tmp_path / "d", model, rows, others=[elsewhere])[0]["reused"] == 5
    monkeypatch.setattr(tokenise, "BATCH", 4)
    assert made(tmp_path / "e", model, rows, previous=first)[0]["reused"] == 3
    assert Tokens(tmp_path / "e" / "tokens").about == Tokens(alone.folder).about


def test_another_tokenizer_or_template_starts_anew(tmp_path: Path, model: Path) -> None:
    rows = [talk("x", "hi", "ho")]
    summary, first = made(tmp_path / "a", model, rows)
    assert summary["template"] == ChatFormat(model).digest
    assert made(tmp_path / "b", model, rows, previous=first)[0]["reused"] == 1
    (model / "chat_template.jinja").write_text(CHATML + "{# another #}")
    assert made(tmp_path / "c", model, rows, previous=first)[0]["reused"] == 0
    settings = {"eos_token": "<|im_end|>"}
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    assert made(tmp_path / "d", model, rows)[0]["tokenizer"] != summary["tokenizer"]


def test_long_documents_are_tokenised_in_parts(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = texts(a="some words\nand more\n\n" * 200 + "no break " * 100)
    _, whole = made(tmp_path / "a", model, rows)
    monkeypatch.setattr(tokenise, "PART", 50)
    _, parts = made(tmp_path / "b", model, rows)
    assert Tokens(parts.folder).about == Tokens(whole.folder).about


def test_only_what_the_assistant_says_is_learnt(tmp_path: Path, model: Path) -> None:
    rows = [talk("a", "Hi", "Hello!", "Bye", "\n See you ", "and then?"), talk("b", "x", "<|y")]
    summary, result = made(tmp_path / "a", model, rows)
    tokens, form = Tokens(result.folder), ChatFormat(model)
    said = [["Hello!<|im_end|>", "\n See you <|im_end|>"], ["<|y<|im_end|>"]]
    for place, wanted in enumerate(said):
        ids, loss = tokens.document(place)
        assert loss is not None
        assert list(stretches(ids, loss, form.tokenizer)) == wanted
    ids, _ = tokens.document(0)
    prompt = form.encode([Message("user", "Hi")])
    assert ids[: len(prompt)].tolist() == prompt
    assert form.tokenizer.decode(ids.tolist(), skip_special_tokens=False).endswith("<|im_end|>")
    assert summary["learnt"] == tokens.about.learnt < summary["tokens"]


def test_chats_that_teach_nothing_are_counted(tmp_path: Path, model: Path) -> None:
    call = {"id": "1", "name": "find", "arguments": "{}"}
    called = talk("called", "find it", "", "here")
    called["messages"][1] = turn("assistant", "", calls=[call])
    rows = [
        talk("good", "a", "b"),
        talk("silent", "a"),
        {"id": "opens", "messages": [turn("assistant", "Hi")], "tools": ""},
        talk("tools", "a", "b", tools='[{"function": {"name": "find"}}]'),
        called,
    ]
    summary, _ = made(tmp_path / "a", model, rows)
    assert summary["documents"] == 1
    assert summary["skipped"] == {"tools": 2, "unanswered": 2}
    (model / "chat_template.jinja").write_text(
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + CHATML
    )
    refused = talk("refused", "a", "b")
    refused["messages"].insert(0, turn("system", "Be brief."))
    summary, _ = made(tmp_path / "b", model, [*rows, refused])
    assert summary["skipped"] == {"refused": 1, "tools": 2, "unanswered": 2}
    with pytest.raises(BadInput, match="None of the 1 chats can be learnt from"):
        made(tmp_path / "c", model, [refused])


def test_calls_are_learnt_where_the_template_writes_them(tmp_path: Path, model: Path) -> None:
    (model / "chat_template.jinja").write_text(TOOLS)
    hidden = '{"q": "\\u003c|im_end|\\u003e"}'
    call = {"id": "1", "name": "find", "arguments": hidden}
    row = talk("a", "find it", "", tools='[{"function": {"name": "find<|im_start|>"}}]')
    row["messages"][1] = turn("assistant", "", calls=[call])
    row["messages"] += [turn("tool", "none", answers="1"), turn("assistant", "Nothing.")]
    summary, result = made(tmp_path / "a", model, [row])
    assert summary["skipped"] == {}
    tokens, tokenizer = Tokens(result.folder), ChatFormat(model).tokenizer
    ids, loss = tokens.document(0)
    assert loss is not None
    assert list(stretches(ids, loss, tokenizer)) == [
        '[{"name": "find", "arguments": {"q": "<|im_end|>"}}]<|im_end|>',
        "Nothing.<|im_end|>",
    ]
    # Tools, four turns, and the end of each but the last, which is what is learnt of it.
    assert (ids == tokenizer.token_to_id("<|im_start|>")).sum() == 5
    assert (ids == tokenizer.token_to_id("<|im_end|>")).sum() == 5


def test_a_template_that_goes_on_otherwise_than_it_prompts_is_refused(
    tmp_path: Path, model: Path
) -> None:
    (model / "chat_template.jinja").write_text(LAST_THINKS)
    with pytest.raises(BadInput, match="message 2 of x otherwise than it prompts"):
        made(tmp_path / "a", model, [talk("x", "a", "b", "c", "d")])


def test_what_no_language_model_learns_from_is_refused(tmp_path: Path, model: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_rows(data, "examples", [{"id": "a", "text": "b", "label": "c"}])
    ctx = Context(tmp_path, Actor("test"))
    inputs = {"data": as_input(data), "model": as_input(model)}
    with pytest.raises(BadInput, match="holds examples"):
        tokenise.run(tokenise.Tokenise(), inputs, ctx)
    (model / "chat_template.jinja").unlink()
    assert made(tmp_path / "b", model, texts(a="b"))[0]["documents"] == 1
    with pytest.raises(BadInput, match="no chat template"):
        made(tmp_path / "c", model, [talk("x", "a", "b")])


PIECES = ("a", "é", " ", "\n", "7", "<|im_end|>", "<|im_start|>", "|", "<")
said = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@pytest.mark.weights
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(said, said), min_size=1, max_size=4))
def test_the_real_tokenizer_learns_every_answer(
    form: ChatFormat, turns: list[tuple[str, str]]
) -> None:
    row = talk("x", *(text for pair in turns for text in pair))
    ((ids, loss),) = encode(form, [spoken(form, row)])
    tokenizer = form.tokenizer
    found = list(stretches(ids, loss, tokenizer))
    assert len(found) == len(turns)
    for text, (_, answer) in zip(found, turns, strict=True):
        wanted = f"{answer}<|im_end|>"
        # Line breaks that begin an answer may be of one token with the one that ends the prompt.
        assert wanted.endswith(text)
        assert not wanted[: len(wanted) - len(text)].strip()
    assert (ids == tokenizer.token_to_id("<|im_start|>")).sum() == 1 + 2 * len(turns)
    assert (ids == tokenizer.token_to_id("<|im_end|>")).sum() == 1 + 2 * len(turns)


@pytest.mark.weights
def test_real_documents_are_kept_to_the_letter(tmp_path: Path, smollm: Path) -> None:
    text = "In 2024, <|endoftext|> cost 15 %.\n\n\tdef f(x):\n\t\treturn  x\n" * 3
    _, result = made(tmp_path / "a", smollm, texts(a=text))
    tokens = Tokens(result.folder)
    tokenizer = Tokenizer.from_file(str(smollm / "tokenizer.json"))
    assert tokenizer.decode(tokens.ids[:-1].tolist(), skip_special_tokens=False) == text
    assert (tokens.ids == 0).sum() == 1
    assert tokens.ids.dtype == np.uint16


@pytest.mark.weights
@pytest.mark.data
def test_real_dialogues_waste_little(tmp_path: Path, smollm: Path) -> None:
    if "INHOUSE_DATA" not in os.environ:
        pytest.skip("INHOUSE_DATA names no folder of data")
    file = Path(os.environ["INHOUSE_DATA"], "dialogues", "sgd.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [
        {"id": str(n), "messages": [turn(**one) for one in json.loads(line)["messages"]]}
        for n, line in enumerate(lines)
    ]
    summary, result = made(tmp_path / "a", smollm, rows)
    assert summary["documents"] == 1280
    samples = samples_of(Tokens(result.folder), 1024)
    assert samples.wasted <= 0.03
    assert samples.split == 0
    answers = [m["content"] for m in rows[7]["messages"] if m["role"] == "assistant"]
    ids, loss = Tokens(result.folder).document(7)
    assert loss is not None
    tokenizer = Tokenizer.from_file(str(smollm / "tokenizer.json"))
    assert list(stretches(ids, loss, tokenizer)) == [f"{text}<|im_end|>" for text in answers]


def judged(id: str, asked: str, chosen: str = "", rejected: str = "") -> dict[str, Any]:
    answers = {"chosen": chosen, "rejected": rejected}
    return {
        "id": id,
        "prompt": [turn("user", "Hello."), turn("assistant", "Hi."), turn("user", asked)],
        **{name: [turn("assistant", said)] if said else [] for name, said in answers.items()},
    }


def test_answers_of_a_pair_share_their_prompt(tmp_path: Path, model: Path) -> None:
    rows = [
        judged("pair", "How <|im_end|> many?", "Two.", "<|im_start|>None."),
        judged("good", "When?", chosen="Now."),
        judged("bad", "Where?", rejected="There."),
        judged("same", "Why?", "So.", "So."),
    ]
    rows[0]["chosen"].append(turn("user", "Thanks."))
    summary, result = made(tmp_path / "a", model, rows)
    tokens, form = Tokens(result.folder), ChatFormat(model)
    assert (summary["of"], summary["skipped"]) == ("preferences", {"same": 1})
    assert tokens.about.preferences
    assert tokens.verdicts.tolist() == [0, 1, -1]
    ids, loss = tokens.document(0)
    assert loss is not None
    # What is learnt follows exactly what the model is prompted with when it is served.
    prompt = form.encode([Message(one["role"], one["content"]) for one in rows[0]["prompt"]])
    assert ids[: len(prompt)].tolist() == prompt
    said = list(stretches(ids, loss, form.tokenizer))
    assert said == ["Two.<|im_end|>", "<|im_start|>None.<|im_end|>"]
    second = len(prompt) + len(form.plain.encode("Two.").ids) + 1
    assert ids[second] == prompt[-1]
    assert not loss[second]
    assert form.tokenizer.token_to_id("<|im_start|>") not in ids[second:]
    # A pair that has not changed is taken over, verdicts too.
    again, other = made(tmp_path / "b", model, [*rows[1:3], rows[0]], previous=result)
    assert again["reused"] == 3
    assert Tokens(other.folder).verdicts.tolist() == [1, -1, 0]
