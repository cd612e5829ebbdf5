"""How suites become artifacts: their files are pinned, or their questions drawn from data sets."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from inhouse.catalog import Catalog
from inhouse.core.errors import BadInput
from inhouse.core.paths import located
from inhouse.evaluate import needle, papers, suite
from inhouse.project.made import Made
from inhouse.project.suite_schema import Suite


def asked(name: str, entry: Suite, catalog: Catalog, root: Path) -> Made:
    """Return how a suite is made.

    Raises:
        BadInput: its file is not there, or cannot be read.
    """
    path = f"suites/{name}"
    if entry.data and entry.kind == "needle":
        hidden = needle.Hide(tuple(entry.lengths), entry.depths, entry.times)
        return Made(path, needle.STAGE, hidden, [(papers.DATA, entry.data)])
    if entry.data:
        drawn = papers.Draw(cast(papers.Kind, entry.kind), entry.most)
        return Made(path, papers.STAGE, drawn, [(papers.DATA, entry.data)])
    named = cast(str, entry.source)
    file = located(named, root)
    if not file.is_file():
        raise BadInput(f"there is no file {file}.", "Name a file of questions.")
    (digest,) = catalog.fingerprint([file]).all()
    spec = suite.Suite(entry.kind, named, digest, catalog.salt(path), root=str(root))
    return Made(path, suite.STAGE, spec, [])
