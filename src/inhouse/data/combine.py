"""The stage that puts the documents of several data sets together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from inhouse.core.documents import read_documents, write_documents
from inhouse.core.nouns import Document
from inhouse.core.stage import Context, Inputs, Result, Stage


@dataclass(frozen=True, slots=True)
class Combine:
    """Nothing to choose: the inputs say it all."""


def run(spec: Combine, inputs: Inputs, ctx: Context) -> Result:
    """Write the documents of all inputs, by role; each path gets its data set's name in front.

    So two data sets may hold files of the same path.
    """
    documents = characters = 0

    def combined() -> Iterator[Document]:
        nonlocal documents, characters
        for done, (_, source) in enumerate(sorted(inputs.items()), 1):
            for document in read_documents(source.folder):
                documents += 1
                characters += len(document.text)
                yield replace(document, path=f"{source.artifact.ref.name}/{document.path}")
            ctx.progress(done, len(inputs), "data sets")

    write_documents(ctx.work, combined())
    return Result({"documents": documents, "skipped": 0, "characters": characters})


STAGE = Stage("data.combine", 1, run)
