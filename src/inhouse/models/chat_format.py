"""From messages to the tokens of a prompt: chat template, then tokenizer.

Special tokens come from the template alone. What a user types that looks like one is encoded as
the characters that it is, so nobody can end their own turn and speak as somebody else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
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

PRIVATE_USE = range(0xE000, 0xF8FF)


class ChatFormat:
    """The tokenizer and chat template of one model."""

    def __init__(self, folder: Path) -> None:
        """Read ``tokenizer.json``, ``tokenizer_config.json`` and ``chat_template.jinja``.

        Raises:
            BadInput: a file is missing or cannot be used.
        """
        self.tokenizer = load_tokenizer(folder)
        template = folder / "chat_template.jinja"
        if not template.is_file():
            raise BadInput(
                f"The model in {folder} has no chat template.",
                "Put its chat_template.jinja beside its weights, or use an instruct model.",
            )
        try:
            self._template = _environment().from_string(template.read_text(encoding="utf-8"))
        except jinja2.TemplateSyntaxError as error:
            raise BadInput(
                f"{template}:{error.lineno}: {error.message}.", "Mend the template."
            ) from None
        self._variables = _special_texts(folder / "tokenizer_config.json")
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
        if not any(self._pattern.search(m.content) for m in messages):
            return self._encode(self.render(messages))
        mark = _unused_character(messages)
        guarded = [Message(m.role, self._guard(m.content, mark)) for m in messages]
        return self._encode_guarded(self.render(guarded), mark)

    def render(self, messages: Sequence[Message]) -> str:
        """Return the text that the template makes of the messages.

        Raises:
            BadInput: the template refuses them.
        """
        turns = [{"role": m.role, "content": m.content} for m in messages]
        try:
            return self._template.render(
                messages=turns, add_generation_prompt=True, **self._variables
            )
        except jinja2.TemplateError as error:
            raise BadInput(
                f"The model's chat template refuses these messages: {error}.",
                "Send roles in the order that the model was trained on.",
            ) from None

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
        place = 0
        for match in [*self._pattern.finditer(text), None]:
            plain = text[place : match.start() if match else None].replace(mark, "")
            ids += self._plain.encode(plain, add_special_tokens=False).ids
            if match:
                ids.append(self._special[match[0]])
                place = match.end()
        return ids

    @cached_property
    def _plain(self) -> Tokenizer:
        """A copy of the tokenizer that sees special tokens as ordinary characters."""
        plain = Tokenizer.from_str(self.tokenizer.to_str())
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


def _environment() -> jinja2.Environment:
    """Return the environment that chat templates are written for, shut off from Python."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _Generation],
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _tojson(value: Any, indent: int | None = None) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _special_texts(path: Path) -> dict[str, str]:
    """Return ``bos_token``, ``eos_token`` and the like, which templates use as variables."""
    if not path.is_file():
        return {}
    found = {}
    for name, value in read_json(path).items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            found[name] = text
    return found


def _unused_character(messages: Sequence[Message]) -> str:
    """Return a character of private use that no message contains."""
    used = set().union(*(m.content for m in messages))
    free = next((c for c in map(chr, PRIVATE_USE) if c not in used), None)
    if free is None:
        raise BadInput("The messages hold every character of private use.", "Leave some out.")
    return free
