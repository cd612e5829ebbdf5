"""`inhouse export`: take a model along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.terminal import console, print_json, size


def export(
    ref: Annotated[str, typer.Argument(help="models/NAME or models/NAME@version.")],
    folder: Annotated[Path, typer.Argument(help="Where to: a folder that is new or empty.")],
    format: Annotated[
        str,
        typer.Option(
            "--format",
            help="hf: what transformers loads. gguf: one file for llama.cpp. onnx: an embedder or "
            "classifier for ONNX Runtime. openvino: what runs here, as it is.",
        ),
    ] = "hf",
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            help="How a GGUF file keeps weights: f16, f32 or q8_0.",
            show_default=False,
        ),
    ] = None,
    actor: As = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Write a model to a folder, with its card and labels, if you may read it."""
    from inhouse.core.artifact import Ref
    from inhouse.project.exporting import export as write

    with opened(project, actor) as house:
        done = write(house, Ref.parse(ref), folder, format, precision)
    if as_json:
        print_json(
            {"ref": done.ref.pinned, "folder": str(done.folder)}
            | {"format": format, "label": str(done.label), "bytes": done.bytes}
        )
        return
    console.print(escape(f"wrote {done.ref} to {done.folder} ({size(done.bytes)})"))
    console.print(escape(f"It carries the label {done.label}, which nobody guards out there."))
