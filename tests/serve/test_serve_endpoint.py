"""An endpoint is an artifact with pinned parents."""

from __future__ import annotations

import pytest
from serve_world import World

from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput
from inhouse.serve.endpoint import Serve, read_endpoint


def test_parents_are_pinned(world: World) -> None:
    artifact = world.catalog.get(Ref.parse("endpoints/help"))
    endpoint = read_endpoint(artifact)
    assert endpoint.model == world.base
    assert endpoint.knowledge == world.knowledge
    assert endpoint.top == 5
    assert artifact.summary == {"knowledge": str(world.knowledge), "model": str(world.base)}


def test_a_setting_makes_another_version(world: World) -> None:
    before = world.catalog.get(Ref.parse("endpoints/desk")).ref
    after = world.endpoint("endpoints/desk", world.analyst, instructions="Be brief.")
    assert after.version != before.version


def test_one_model_is_needed(world: World) -> None:
    api = {"url": "https://x", "name": "m"}
    with pytest.raises(BadInput, match="needs one model"):
        world.endpoint("endpoints/api", None)
    with pytest.raises(BadInput, match="needs one model"):
        world.endpoint("endpoints/api", world.base, api=api)
    with pytest.raises(BadInput, match="a url, a name"):
        Serve(api={**api, "secret": "sk"})
    with pytest.raises(BadInput, match="top 0"):
        Serve(top=0)
