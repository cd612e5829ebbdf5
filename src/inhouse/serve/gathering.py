"""One scrape for all workers of a server: whichever is asked tells what each of them counted.

Every worker answers the others on a socket of its own, in a folder that all of them know and that
nobody else may enter. What it counts, and who may read it, is not decided here.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

SUFFIX = ".metrics"
PATIENCE_SECONDS = 1.0


class Gathering:
    """The metrics of the workers that share a folder; a worker is called by its process."""

    def __init__(self, folder: Path, own: Callable[[], bytes]) -> None:
        self._folder = folder
        self._own = own
        self._name = str(os.getpid())
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Answer the other workers from now on."""
        self._server = await asyncio.start_unix_server(self._tell, self._place(self._name))

    async def close(self) -> None:
        """Answer them no more."""
        if self._server is not None:
            self._server.close()
            self._place(self._name).unlink(missing_ok=True)

    async def text(self) -> bytes:
        """Return the metrics of all workers, each with the label ``worker``.

        One that does not answer in time is left out.
        """
        names = [place.stem for place in self._folder.glob(f"*{SUFFIX}")]
        others = [name for name in names if name != self._name]
        told = await asyncio.gather(*map(self._ask, others))
        found = {name: text for name, text in zip(others, told, strict=True) if text}
        return await asyncio.to_thread(merged, {**found, self._name: self._own()})

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._own())
        writer.close()

    async def _ask(self, name: str) -> bytes:
        try:
            return await asyncio.wait_for(self._read(name), PATIENCE_SECONDS)
        except ConnectionRefusedError:  # it was killed
            self._place(name).unlink(missing_ok=True)
        except (OSError, TimeoutError):
            log.warning("Worker %s does not tell its metrics.", name)
        return b""

    async def _read(self, name: str) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._place(name))
        try:
            return await reader.read()
        finally:
            writer.close()

    def _place(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"


def merged(texts: Mapping[str, bytes]) -> bytes:
    """Return the metrics of several workers, by name, as one text with the label ``worker``."""
    families: dict[str, Metric] = {}
    for worker, text in sorted(texts.items()):
        for family in text_string_to_metric_families(text.decode()):
            kept = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                kept.samples.append(sample._replace(labels={**sample.labels, "worker": worker}))
    return generate_latest(_Given(families.values()))


class _Given(Collector):
    """What was collected already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families
