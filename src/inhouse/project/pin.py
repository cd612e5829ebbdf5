"""What pins weights that lie on this disk: the digest of their bytes."""

from __future__ import annotations

from pathlib import Path

from inhouse.catalog import Catalog
from inhouse.core.artifact import File, digest_of
from inhouse.core.paths import located
from inhouse.models.sources import local_files


def local_pin(url: str, root: Path, catalog: Catalog) -> str | None:
    """Return the pin of weights on this disk, so that changed weights are a new version.

    Raises:
        BadInput: there is nothing there, or no weights that can be read.
    """
    if not url.startswith("file:"):
        return None
    path = located(url.removeprefix("file:"), root)
    chosen = local_files(path)
    digests = catalog.fingerprint(list(chosen)).all()
    files = {
        name: File(digest, file.stat().st_size)
        for (file, name), digest in zip(chosen.items(), digests, strict=True)
    }
    return digests[0] if path.is_file() else digest_of(files)
