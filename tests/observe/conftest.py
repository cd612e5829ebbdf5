from collections.abc import Iterator
from pathlib import Path

import pytest

from observe.observe_world import World, world


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def house(root: Path) -> Iterator[World]:
    with world(root) as made:
        yield made
