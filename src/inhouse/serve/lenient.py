"""A sink for those who would rather answer without a record than not answer."""

from __future__ import annotations

import logging

from inhouse.core.errors import StoreError
from inhouse.core.nouns import Trace
from inhouse.core.protocols import Sink
from inhouse.serve.seen import current

log = logging.getLogger(__name__)


class Lenient:
    """Passes records on, and lets answers go that cannot be recorded; see `core.protocols.Sink`.

    Each of them is counted in `unrecorded` and stands in the log, by its id alone. It cannot be
    asked whether it could record: whoever uses it answers either way.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.unrecorded = 0

    async def record(self, trace: Trace) -> None:
        """Record a trace if that can be done."""
        try:
            await self._sink.record(trace)
        except StoreError as error:
            current().unrecorded += 1
            if trace.state != "open":
                self.unrecorded += 1
                log.error("%s is answered and NOT ON RECORD: %s", trace.id, error)
