"""The door keeps to its own description, whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serve_world import World, running
from test_serve_lookups import Kept

from inhouse.models.fake import EchoModel
from inhouse.serve.app import create_app

NAMES = ("raw", "desk", "help", "api", "minilm")
NEEDED = {"model", "messages", "prompt", "input", "knowledge", "query", "documents", "id", "score"}
EXAMPLES = 6


@pytest.fixture
def door(world: World) -> Iterator[tuple[str, str]]:
    """A server with fake models, somebody's API and a knowledge base; where, and a key."""
    world.engines.models[world.analyst.version or ""] = EchoModel()  # type: ignore[assignment]
    world.endpoint("endpoints/api", None, api={"url": "https://x", "name": "m"})
    world.endpoint("endpoints/raw", world.base)
    with running(create_app(world.house, feedback=Kept())) as listening:
        yield listening.url, world.key("ana")[1]


def valid(name: object) -> bool:
    return isinstance(name, str) and 1 <= len(name) <= 200


def operations(url: str) -> list[APIOperation]:
    described = requests.get(f"{url}/openapi.json", timeout=20)
    schema = schemathesis.openapi.from_dict(described.json())
    schema.validate()
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_answered_is_as_described(door: tuple[str, str], mode: GenerationMode) -> None:
    url, key = door
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        found = operations(url)
        assert {"/healthz", "/v1/completions", "/v1/rerank"} <= {each.path for each in found}
        for operation in found:
            if operation.method == "get" and mode is not GenerationMode.POSITIVE:
                continue

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(mode), name=st.sampled_from(NAMES), data=st.data())
            def conforms(case: schemathesis.Case, name: str, data: st.DataObject) -> None:
                if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
                    few = st.sets(st.sampled_from(sorted(case.body)), max_size=2)
                    kept = NEEDED | data.draw(few)
                    case.body = {k: v for k, v in case.body.items() if k in kept}
                for field in ("model", "knowledge"):
                    if isinstance(case.body, dict) and valid(case.body.get(field)):
                        case.body[field] = name
                # Settings that exclude each other, and engines that cannot, are no schema's matter.
                case.call_and_validate(
                    base_url=url,
                    session=session,
                    timeout=20,
                    excluded_checks=[positive_data_acceptance],
                )

            conforms()
