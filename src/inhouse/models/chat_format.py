"""From messages to the tokens of a prompt: chat template, then tokenizer; training uses the same.

Special tokens come from the template alone. What a user types that looks like one is encoded as
the characters that it is, so nobody can end their own turn and speak as somebody else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from inhouse.core.errors import BadInput
from inhouse.core.nouns import Message
from inhouse.models.weight_files import read_json

TEMPLATE = "chat_template.jinja"
PRIVATE_USE = range(0xE000, 0xF8FF)


class ChatFormat:
    """The tokenizer and chat template of one model; `digest` is the sha256 of the template."""

    def __init__(self, folder: Path, *, now: Callable[[], datetime] = datetime.now) -> None:
        """Read ``tokenizer.json``, ``tokenizer_config.json`` and ``chat_template.jinja``.

        Some templates write down what day it is; `now` says it.

        Raises:
            BadInput: a file is missing or cannot be used.
        """
        self.tokenizer = load_tokenizer(folder)
        template = folder / TEMPLATE
        if not template.is_file():
            raise BadInput(
                f"The model in {folder} has no chat template.",
                "Put its chat_template.jinja beside its weights, or use an instruct model.",
            )
        self.digest = hashlib.sha256(template.read_bytes()).hexdigest()
        try:
            self._template = _environment(now).from_string(template.read_text(encoding="utf-8"))
        except jinja2.TemplateSyntaxError as error:
            raise BadInput(
                f"{template}:{error.lineno}: {error.message}.", "Mend the template."
            ) from None
        self._variables = special_texts(folder)
        added = self.tokenizer.get_added_tokens_decoder()
        self._special = {t.content: i for i, t in added.items() if t.special}
        longest_first = sorted(self._special, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of the conversation up to where the answer begins.

        Raises:
            BadInput: there are no messages, or the template refuses them.
        """
        if not messages:
            raise BadInput("There are no messages.", "Send at least one.")
        guarded, _, mark = self.guarded(messages)
        text = self.render(guarded)
        return self._encode_guarded(text, mark) if mark else self._encode(text)

    def render(
        self, messages: Sequence[Message], *, tools: str = "", answering: bool = True
    ) -> str:
        """Return the text that the template makes of the messages.

        Args:
            messages: the conversation.
            tools: what the model may call, OpenAI's list as JSON.
            answering: whether it ends where the assistant's next turn begins.

        Raises:
            BadInput: the template refuses them.
        """
        try:
            return self._template.render(
                messages=[_turn(m) for m in messages],
                add_generation_prompt=answering,
                tools=json.loads(tools) if tools else None,
                **self._variables,
            )
        except (jinja2.TemplateError, TypeError) as error:
            raise BadInput(
                f"The model's chat template refuses these messages: {error}.",
                "Send roles in the order that the model was trained on.",
            ) from None

    def guarded(
        self, messages: Sequence[Message], tools: str = ""
    ) -> tuple[Sequence[Message], str, str]:
        """Return messages and tools in which nothing looks like a special token.

        The third is what breaks it up, a character that stands in none of them; it is empty if
        nothing had to be broken.
        """
        messages, tools = [_spelled_out(m) for m in messages], _unescaped(tools)
        texts = [tools, *(text for m in messages for text in _texts(m))]
        if not any(map(self._pattern.search, texts)):
            return messages, tools, ""
        mark = _unused_character(texts)
        broken = [_with_texts(m, lambda text: self._guard(text, mark)) for m in messages]
        return broken, self._guard(tools, mark), mark

    def parts(self, text: str) -> Iterator[tuple[int, int, int | None]]:
        """Yield where the parts of a rendered text begin and end: special tokens, and between.

        The third is the number of the special token, None of what stands between two.
        """
        place = 0
        for match in self._pattern.finditer(text):
            yield place, match.start(), None
            yield match.start(), match.end(), self._special[match[0]]
            place = match.end()
        yield place, len(text), None

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _guard(self, text: str, mark: str) -> str:
        """Break up what looks like a special token by putting `mark` after its first character."""
        while self._pattern.search(text):
            text = self._pattern.sub(lambda m: m[0][0] + mark + m[0][1:], text)
        return text

    def _encode_guarded(self, text: str, mark: str) -> list[int]:
        """Encode the template's special tokens as such and everything between as plain text."""
        ids: list[int] = []
        for start, end, special in self.parts(text):
            if special is None:
                plain = text[start:end].replace(mark, "")
                ids += self.plain.encode(plain, add_special_tokens=False).ids
            else:
                ids.append(special)
        return ids

    @cached_property
    def plain(self) -> Tokenizer:
        """A copy of the tokenizer that sees special tokens as ordinary characters."""
        return plain_tokenizer(self.tokenizer)


def plain_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """Return a copy of a tokenizer that sees special tokens as ordinary characters."""
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.encode_special_tokens = True
    return plain


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read ``tokenizer.json`` without the truncation and padding that may be set in it.

    Raises:
        BadInput: it is missing or not a tokenizer.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise BadInput(f"{path} is missing.", "Build the model again.")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise BadInput(f"{path} is not a tokenizer: {error}.", "Build the model again.") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class _Generation(Extension):
    """Accepts ``{% generation %}``, which marks the model's own words for training."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment(now: Callable[[], datetime]) -> jinja2.Environment:
    """Return the environment that chat templates are written for, shut off from Python."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _Generation],
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: now().strftime(form)
    return environment


def _turn(message: Message) -> dict[str, Any]:
    """Return a message as templates know it; calls only where there are some."""
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.calls
        ]
    if message.answers:
        turn["tool_call_id"] = message.answers
    return turn


def _arguments(text: str) -> object:
    """Return the arguments of a call as an object, as templates want them; else as the text."""
    found = _parsed(text)
    return found if isinstance(found, dict) else text


def _parsed(text: str) -> object:
    """Return what a JSON text says, None if it is none."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _unescaped(text: str) -> str:
    """Return JSON with every character written as itself, where something could be hidden."""
    found = _parsed(text)
    return text if found is None else json.dumps(found, ensure_ascii=False)


def _spelled_out(message: Message) -> Message:
    """Return a message whose calls hide nothing behind escapes."""
    if not message.calls:
        return message
    calls = tuple(replace(call, arguments=_unescaped(call.arguments)) for call in message.calls)
    return replace(message, calls=calls)


def _texts(message: Message) -> Iterator[str]:
    """Yield whatever a template may write of a message."""
    yield message.content
    yield message.answers
    for call in message.calls:
        yield from (call.id, call.name, call.arguments)


def _with_texts(message: Message, change: Callable[[str], str]) -> Message:
    """Return a message with all of its texts changed."""
    calls = tuple(
        replace(call, id=change(call.id), name=change(call.name), arguments=change(call.arguments))
        for call in message.calls
    )
    content, answers = change(message.content), change(message.answers)
    return replace(message, content=content, calls=calls, answers=answers)


def _tojson(value: Any, indent: int | None = None) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def special_texts(folder: Path) -> dict[str, str]:
    """Return ``bos_token``, ``eos_token`` and the like, which templates use as variables."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    found = {}
    for name, value in read_json(path).items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            found[name] = text
    return found


def _unused_character(texts: Sequence[str]) -> str:
    """Return a character of private use that no text contains."""
    used = set().union(*texts)
    free = next((c for c in map(chr, PRIVATE_USE) if c not in used), None)
    if free is None:
        raise BadInput("The messages hold every character of private use.", "Leave some out.")
    return free
