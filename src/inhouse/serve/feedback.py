"""``POST /v1/feedback``: what somebody thinks of an answer, handed to whoever keeps traces."""

from __future__ import annotations

from inhouse.core.access import Actor
from inhouse.core.errors import InhouseError, Refused
from inhouse.core.protocols import FeedbackSink
from inhouse.serve.failures import Json
from inhouse.serve.lookup_bodies import FeedbackBody


class NotKept(InhouseError):
    """This server keeps no traces."""

    status = 501
    code = "not_implemented"

    def __init__(self) -> None:
        super().__init__(
            "This server keeps no traces, so there is nothing to give feedback on.",
            "Ask its operator to record requests.",
        )


async def said(sink: FeedbackSink | None, actor: Actor, body: FeedbackBody) -> Json:
    """Hand over what an actor thinks of an answer.

    Raises:
        Refused: the actor's key is for no endpoint.
        NotKept: nobody takes it.
    """
    if actor.only and not any(name.partition("/")[0] == "endpoints" for name in actor.only):
        raise Refused(
            f"This key is only for {', '.join(actor.only)}, which give no answers.",
            "Use the key that the answer was given to.",
        )
    if sink is None:
        raise NotKept
    feedback = body.feedback(actor.name)
    await sink.take(feedback, actor)
    return Json({"object": "feedback", "id": body.id, "score": feedback.score})
