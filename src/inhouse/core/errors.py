"""The one error tree: every error says what was wrong and how to mend it.

InhouseError                  exit 1, HTTP 500
├── UserError                 exit 2, HTTP 400: the caller can mend it
│   ├── BadInput              a value, file or request that cannot be used
│   │   └── BadField          a field or setting of a request, by its name
│   │       └── Incapable     one that this model cannot do; another may
│   ├── ProjectError          the project file, with file, line and key
│   ├── NotFound              HTTP 404: no such thing; names the nearest
│   │   └── ModelNotFound     no such endpoint or embedder
│   ├── Refused               HTTP 403: the label does not admit the actor
│   ├── BadKey                HTTP 401: no key, an unknown, expired or revoked one
│   ├── TooMany               HTTP 429: more than a limit allows; says when to ask again
│   │   ├── OutOfQuota        a day's budget is spent
│   │   └── Overloaded        more wait already than may wait
│   └── TooLong               the prompt does not fit the model's context
├── StoreError                HTTP 503: the store cannot be written or read
│   └── Corrupt               bytes do not match their digest
├── NotSetUp                  exit 2, HTTP 503: only the operator can mend it
│   └── MissingExtra          an optional part of the product is not installed
├── OutOfTime                 HTTP 504: a request took longer than one may
├── EngineStopped             HTTP 503: a model's process has ended; the next request starts it
├── EngineFailed              HTTP 502: it could not answer this one request, and goes on
└── ProviderError             HTTP 502: somebody else's API failed or timed out
    └── RequestRefused        it did not take this request; it may take others
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar


class InhouseError(Exception):
    """Root of the tree. `what` is one sentence; `fix` says how to mend it."""

    exit_code: ClassVar[int] = 1
    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what} {fix}")
        self.what = what
        self.fix = fix


class UserError(InhouseError):
    """The caller can mend it."""

    exit_code = 2
    status = 400
    code = "bad_request"


class BadInput(UserError):
    """A value, file or request that cannot be used."""

    code = "bad_input"


class BadField(BadInput):
    """A field or setting of a request that cannot be used; `param` is its name."""

    def __init__(self, param: str, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.param = param


class Incapable(BadField):
    """A field or setting that this model cannot do; another may."""


class ProjectError(UserError):
    """A mistake in the project file, with the place where it stands."""

    code = "bad_project"

    def __init__(
        self, what: str, fix: str, *, file: Path, line: int | None = None, key: str = ""
    ) -> None:
        place = f"{file}:{line}" if line else str(file)
        super().__init__(f"{place}: {what}", fix)
        self.file = file
        self.line = line
        self.key = key


class NotFound(UserError):
    """No such thing; the nearest known names are offered."""

    status = 404
    code = "not_found"

    def __init__(self, kind: str, name: str, known: Iterable[str], fix: str = "") -> None:
        known = sorted(known)
        near = nearest(name, known)
        listing = ", ".join(known[:10]) or "none yet"
        hint = f"Did you mean {near!r}?" if near else f"Known: {listing}."
        super().__init__(f"There is no {kind} {name!r}.", fix or hint)


class ModelNotFound(NotFound):
    """No such endpoint or embedder: what a request calls its model."""

    code = "model_not_found"


class Refused(UserError):
    """The label of a thing does not admit the actor."""

    status = 403
    code = "refused"


class BadKey(UserError):
    """The API key is missing, unknown, expired or revoked."""

    status = 401
    code = "invalid_api_key"


class TooMany(UserError):
    """More is asked than a limit allows; `wait` is after how many seconds to ask again.

    `kind` is what there was too much of, in OpenAI's words: requests, tokens.
    """

    status = 429
    code = "rate_limit_exceeded"
    kind: str = "requests"

    def __init__(self, what: str, fix: str, *, wait: float) -> None:
        super().__init__(what, fix)
        self.wait = wait


class OutOfQuota(TooMany):
    """A day's budget is spent."""

    code = "insufficient_quota"
    kind = "insufficient_quota"


class Overloaded(TooMany):
    """More requests wait already than may wait."""

    code = "overloaded"


class TooLong(UserError):
    """The prompt and the answer asked for do not fit the model's context."""

    code = "context_length_exceeded"

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(
            f"The prompt has {tokens} tokens, {tokens - limit} more than the {limit} that fit.",
            "Shorten the messages or ask for fewer new tokens.",
        )


class StoreError(InhouseError):
    """The store cannot be written or read."""

    status = 503
    code = "store_error"


class Corrupt(StoreError):
    """Stored bytes do not match their digest."""

    code = "corrupt"


class NotSetUp(InhouseError):
    """Something is not set up here; only the operator can mend it, not who asks over HTTP."""

    exit_code = 2
    status = 503
    code = "not_set_up"


class MissingExtra(NotSetUp):
    """An optional part of the product is not installed."""

    code = "missing_extra"

    def __init__(self, needed_for: str, extra: str) -> None:
        super().__init__(
            f"{needed_for} needs the extra {extra!r}.",
            f"Install it with: pip install 'inhouse[{extra}]'",
        )


class OutOfTime(InhouseError):
    """A request took longer than one may take here."""

    status = 504
    code = "out_of_time"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The request was not answered within the {seconds:g} seconds that one may take here.",
            "Ask for less at a time, or ask again when there is less to do.",
        )


class EngineStopped(InhouseError):
    """The process that runs a model has ended in the middle of an answer."""

    status = 503
    code = "engine_stopped"

    def __init__(self) -> None:
        super().__init__(
            "The engine has stopped, so the answer is not complete.",
            "Ask again; the engine is started anew, and its last words are in the log.",
        )


class EngineFailed(InhouseError):
    """The process that runs a model could not answer this one request; it goes on with others."""

    status = 502
    code = "engine_failed"

    def __init__(self) -> None:
        super().__init__(
            "The engine could not answer this request.",
            "Ask again; if that does not help, its log says more.",
        )


class ProviderError(InhouseError):
    """Somebody else's API failed, refused or timed out.

    Its host `at`, and what it `said`, are for the operator: callers are not shown them.
    """

    status = 502
    code = "provider_error"

    def __init__(self, what: str, fix: str, *, at: str = "", said: str = "") -> None:
        super().__init__(what, fix)
        self.at = at
        self.said = said

    @property
    def private(self) -> str:
        """What only the operator sees, as one line; empty if there is nothing."""
        return " ".join(filter(None, [self.at and f"At {self.at}.", self.said]))


class RequestRefused(ProviderError):
    """Somebody else's API did not take this one request; it may take others."""

    code = "provider_refused"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, or None if none is close."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return match[0] if match else None
