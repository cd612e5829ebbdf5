"""How long a model goes on for a client that has left, as our own server tells it."""

from __future__ import annotations

import http.client
import json
import re
import time

BATCH = re.compile(rb"^inhouse_engine_batch\{.*\} (\d+)", re.MULTILINE)
ENDLESS = {"regex": "(ha ){2000}"}
PATIENCE_SECONDS = 120.0


class Watched:
    """A server that answers on a port, for whoever has the key of an operator."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {key}"}

    def seconds_until_free(self, model: str) -> float:
        """Let one of two clients leave; return when the model's next step was without it.

        Raises:
            RuntimeError: it never was.
        """
        leaves, stays = self._begin(model), self._begin(model)
        scraping = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            self._wait(scraping, 2)
            left = time.perf_counter()
            leaves.close()
            self._wait(scraping, 1)
            return time.perf_counter() - left
        finally:
            for connection in (leaves, stays, scraping):
                connection.close()

    def _begin(self, model: str) -> http.client.HTTPConnection:
        """Return a connection on which an answer without end has begun to come."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        body = {"model": model, "prompt": "He laughed:", "max_tokens": 4000, "stream": True}
        body["structured_outputs"] = ENDLESS
        connection.request("POST", "/v1/completions", json.dumps(body), self._headers)
        connection.getresponse().readline()
        return connection

    def _wait(self, scraping: http.client.HTTPConnection, batch: int) -> None:
        """Wait until the last step of an open model had so many requests."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends:
            scraping.request("GET", "/metrics", headers=self._headers)
            if batch in map(int, BATCH.findall(scraping.getresponse().read())):
                return
        raise RuntimeError(f"no model ever had {batch} requests at once")
