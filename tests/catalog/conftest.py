from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.making import opened
from inhouse.catalog import Catalog


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def catalog(root: Path) -> Iterator[Catalog]:
    with opened(root) as catalog:
        yield catalog
