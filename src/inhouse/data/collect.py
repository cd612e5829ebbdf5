"""The stage that turns files into documents, with a ledger of the files it left out and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from inhouse.catalog.rows import write_documents
from inhouse.core.errors import BadInput, UserError
from inhouse.core.nouns import Document
from inhouse.core.stage import Context, Inputs, Result, Stage
from inhouse.data.earlier import Earlier, earlier
from inhouse.data.files import relative
from inhouse.data.parts import LeftOut
from inhouse.data.text import mebibytes

LEDGER = "ledger.jsonl"
LARGEST = 50 * 2**20
LARGEST_EXPORT = 500 * 2**20


@dataclass(frozen=True, slots=True)
class Collect:
    """The files of a source: path and sha256 of each, in order; `root` is where they lie.

    `left_out` is what was not even looked at: path and reason. Nobody who does not know the `salt`
    can tell from a version whether the files are those that they guess. `modified` are seconds
    since 1970 by path; one that is not there is unknown.
    """

    files: tuple[tuple[str, str], ...]
    root: str = field(metadata={"identity": False})
    left_out: tuple[tuple[str, str], ...] = ()
    salt: str = ""
    modified: Mapping[str, float] = field(default_factory=dict, metadata={"identity": False})

    @classmethod
    def of(
        cls, digests: Mapping[Path, str], left_out: Mapping[Path, str], root: Path, *, salt: str
    ) -> Collect:
        """Return the spec of files with their sha256, and of what is left out with the reasons."""
        files, unread = (
            tuple((relative(path, root), of[path]) for path in sorted(of))
            for of in (digests, left_out)
        )
        return cls(files, str(root), unread, salt)


def run(spec: Collect, inputs: Inputs, ctx: Context) -> Result:
    """Write the documents in ``rows.parquet`` and what was left out in ``ledger.jsonl``.

    A file that was one document in ``ctx.previous``, and is the same, is not read again.

    Raises:
        UserError: a file is not the one in `spec` any more.
    """
    left_out = [{"path": path, "reason": reason} for path, reason in spec.left_out]
    documents = characters = 0

    def parsed(before: Earlier) -> Iterator[Document]:
        nonlocal documents, characters
        for done, (path, digest) in enumerate(spec.files, 1):
            try:
                for found in _read(spec, path, digest, before):
                    if isinstance(found, LeftOut):
                        left_out.append({"path": path + found.place, "reason": found.reason})
                        continue
                    documents += 1
                    characters += len(found.text)
                    yield found
            except BadInput as unfit:
                left_out.append({"path": path, "reason": str(unfit)})
            ctx.progress(done, len(spec.files), "files")

    with earlier(ctx.previous, STAGE) as before:
        write_documents(ctx.work, parsed(before))
    with (ctx.work / LEDGER).open("w", encoding="utf-8", newline="\n") as ledger:
        ledger.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in left_out)
    return Result({"documents": documents, "skipped": len(left_out), "characters": characters})


STAGE = Stage("data.collect", 8, run)


def _read(spec: Collect, path: str, digest: str, before: Earlier) -> Iterator[Document | LeftOut]:
    from inhouse.data.parse import CONTAINERS, documents

    modified = spec.modified.get(path, 0.0)
    known = before.document(path, digest)
    if known and Path(path).suffix.lower() not in CONTAINERS:
        yield replace(known, modified=modified)
    else:
        data = _verified(Path(spec.root) / path, digest)
        yield from documents(path, data, digest, modified)


def _verified(file: Path, digest: str) -> bytes:
    """Return the bytes of `file`, which are still those that were planned with."""
    limit = LARGEST_EXPORT if file.suffix.lower() == ".zip" else LARGEST
    try:
        size = file.stat().st_size
        data = file.read_bytes() if size <= limit else None
    except OSError as error:
        raise _changed(file) from error
    if data is None:
        raise BadInput(
            f"It has {mebibytes(size)}, more than the {mebibytes(limit)} that are read.",
            "Split it into parts.",
        )
    if hashlib.sha256(data).hexdigest() != digest:
        raise _changed(file)
    return data


def _changed(file: Path) -> UserError:
    return UserError(f"{file} changed while it was read.", "Run it again.")
