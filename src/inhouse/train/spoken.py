"""Conversations as tokens, with what the assistant says marked: that alone is learnt.

What it says is found by rendering the conversation up to each of its turns, exactly as a prompt is
made when the model is served, and then with that turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Message, ToolCall
from inhouse.models.chat_format import ChatFormat

Learnt = tuple[NDArray[np.int64], NDArray[np.bool_]]
OTHER = '{"other": 0}'


class Skipped(Exception):
    """A conversation that cannot be learnt from; the reason is a word to count by."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A conversation as the template writes it.

    Args:
        text: up to the end of the assistant's last turn.
        mark: what breaks up special tokens that somebody wrote, empty if nobody did.
        spans: where the assistant speaks, by characters.
    """

    text: str
    mark: str
    spans: tuple[tuple[int, int], ...]


def spoken(form: ChatFormat, row: Mapping[str, Any]) -> Spoken:
    """Return a row of chats as the template of a model writes it.

    Raises:
        BadInput: the template writes a turn otherwise than it prompts for it.
        Skipped: nobody answers in it, the template refuses it, or leaves its tools out.
    """
    said = _answered([_message(turn) for turn in row["messages"]])
    messages, tools, mark = form.guarded(said, row["tools"])
    try:
        whole = form.render(messages, tools=tools, answering=False)
        if not _expresses_tools(form, messages, tools, whole):
            raise Skipped("tools")
        spans = tuple(_spans(form, row["id"], messages, tools, whole))
    except _Torn:
        raise
    except BadInput as error:
        raise Skipped("refused") from error
    if not spans:
        raise Skipped("unanswered")
    return Spoken(whole[: spans[-1][1]], mark, spans)


def encode(form: ChatFormat, chats: Sequence[Spoken]) -> Iterator[Learnt]:
    """Yield the tokens of each conversation, int64 [n], and which are learnt, bool [n]."""
    plain = [chat.text for chat in chats if not chat.mark]
    encoded = iter(form.tokenizer.encode_batch(plain, add_special_tokens=False))
    for chat in chats:
        yield _guarded(form, chat) if chat.mark else _marked(next(encoded), chat.spans)


class _Torn(BadInput):
    """A template that does not go on as it prompts."""


def _message(turn: Mapping[str, Any]) -> Message:
    calls = tuple(ToolCall(**call) for call in turn["calls"])
    return Message(turn["role"], turn["content"], calls, turn["answers"])


def _answered(messages: list[Message]) -> list[Message]:
    """Leave out what comes after the assistant's last turn."""
    last = max((n for n, m in enumerate(messages, 1) if m.role == "assistant"), default=0)
    if not last:
        raise Skipped("unanswered")
    return messages[:last]


def _spans(
    form: ChatFormat, id: str, messages: Sequence[Message], tools: str, whole: str
) -> Iterator[tuple[int, int]]:
    """Yield where each turn of the assistant stands in the whole, its end of turn included."""
    for place, message in enumerate(messages):
        if message.role != "assistant":
            continue
        # A conversation that the assistant opens has no prompt that any template could render.
        before = form.render(messages[:place], tools=tools) if place else ""
        last = place + 1 == len(messages)
        here = whole if last else form.render(messages[: place + 1], tools=tools, answering=False)
        if not (whole.startswith(before) and whole.startswith(here) and len(here) > len(before)):
            raise _Torn(
                f"The model's chat template writes message {place + 1} of {id} otherwise than it "
                "prompts for it, so what is learnt would not be what is served.",
                "Use a chat_template.jinja that only ever adds to what it has written.",
            )
        if place:
            yield len(before), _end(form, whole, len(before), len(here))


def _end(form: ChatFormat, text: str, start: int, end: int) -> int:
    """Return where a turn ends: behind its last special token, unless it goes on after that."""
    special = [stop for _, stop, token in form.parts(text[start:end]) if token is not None]
    if special and not text[start + special[-1] : end].strip():
        return start + special[-1]
    return end


def _expresses_tools(form: ChatFormat, messages: Sequence[Message], tools: str, whole: str) -> bool:
    """Say whether the template writes tools and all calls: the text depends on each of them."""
    if tools and form.render(messages, answering=False) == whole:
        return False
    return all(
        form.render(other, tools=tools, answering=False) != whole for other in _called(messages)
    )


def _called(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Yield the messages with one call changed in one way, for each call and way."""
    for place, message in enumerate(messages):
        for number, call in enumerate(message.calls):
            for other in (replace(call, name=f"{call.name}_"), replace(call, arguments=OTHER)):
                calls = (*message.calls[:number], other, *message.calls[number + 1 :])
                changed = replace(message, calls=calls)
                yield [*messages[:place], changed, *messages[place + 1 :]]


def _marked(encoding: Encoding, spans: Sequence[tuple[int, int]]) -> Learnt:
    """Return the tokens of an encoding, and which lie within the spans."""
    loss = np.zeros(len(encoding.ids), np.bool_)
    for start, end in spans:
        first, last = _token(encoding, start, end), _token(encoding, end - 1, end)
        if first is None or last is None:
            continue
        chars = encoding.token_to_chars(first)
        # A token that also holds the end of the prompt is never what the model has to say.
        loss[first + bool(chars and chars[0] < start) : last + 1] = True
    return np.array(encoding.ids, np.int64), loss


def _token(encoding: Encoding, char: int, end: int) -> int | None:
    """Return the token that a character lies in, or the next one that lies in any."""
    found = (encoding.char_to_token(place) for place in range(char, end))
    return next((token for token in found if token is not None), None)


def _guarded(form: ChatFormat, chat: Spoken) -> Learnt:
    """Return the tokens of a conversation in which somebody wrote special tokens as text."""
    ids: list[NDArray[np.int64]] = []
    loss: list[NDArray[np.bool_]] = []
    for start, end, special in form.parts(chat.text):
        within = [
            (max(a, start), min(b, end)) for a, b in chat.spans if max(a, start) < min(b, end)
        ]
        if special is not None:
            ids.append(np.array([special]))
            loss.append(np.array([bool(within)]))
            continue
        part = chat.text[start:end]
        # The spans lie in the text with the marks, the tokens in the one without.
        moved = [
            tuple(len(part[: place - start].replace(chat.mark, "")) for place in span)
            for span in within
        ]
        encoding = form.plain.encode(part.replace(chat.mark, ""), add_special_tokens=False)
        found = _marked(encoding, [(a, b) for a, b in moved])
        ids.append(found[0])
        loss.append(found[1])
    return np.concatenate(ids), np.concatenate(loss)
