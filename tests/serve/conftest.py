"""A served world, and the public client to talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from serve_world import World, running

from inhouse.serve.app import create_app


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "store")
    yield made
    made.catalog.close()


@pytest.fixture
def url(world: World) -> Iterator[str]:
    with running(create_app(world.house, max_body=20_000)) as listening:
        yield listening.url


@pytest.fixture
def client(world: World, url: str) -> Iterator[Callable[[str], openai.OpenAI]]:
    clients = []

    def make(actor: str) -> openai.OpenAI:
        _, secret = world.key(actor)
        made = openai.OpenAI(api_key=secret, base_url=f"{url}/v1", max_retries=0, timeout=20)
        clients.append(made)
        return made

    yield make
    for made in clients:
        made.close()
