"""Where a path that a person wrote lies. Patterns of several files are `inhouse.data.files`'s."""

from __future__ import annotations

from pathlib import Path

from inhouse.core.errors import BadInput


def located(path: str, root: Path) -> Path:
    """Return a path as a person wrote it, maybe with ``~`` in front; relative ones start at `root`.

    Raises:
        BadInput: whose home ``~`` means is not known.
    """
    try:
        return root / Path(path).expanduser()
    except RuntimeError:
        raise BadInput(f"There is no home folder for {path!r}.", "Write the whole path.") from None
