"""`inhouse evaluate`: how well a knowledge base does on a suite of questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.progress import shown
from inhouse.cli.terminal import console, print_json, print_table
from inhouse.core.nouns import SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BAR = 20


def evaluate(
    knowledge: Annotated[str, typer.Argument(help="knowledge/NAME.")],
    suite: Annotated[str, typer.Argument(help="suites/NAME.")],
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Measure a knowledge base with a suite of questions."""
    with opened(project, actor) as house:
        with shown(quiet=as_json) as display:
            progress = display.task(f"{knowledge} on {suite}")
            made, report = house.evaluate(knowledge, suite, progress=progress)
        ref = str(made.artifact.ref)
    if as_json:
        print_json({"ref": ref, "digest": made.artifact.digest, "made": made.fresh, **report})
        return
    if report["kind"] == "retrieval":
        _print_retrieval(report)
    else:
        _print_answerability(report)
    console.print(f"\n[dim]kept as {ref}[/]")


def _print_retrieval(report: Mapping[str, Any]) -> None:
    print_table(("questions", *report["metrics"]), _rows(report))
    if unknown := report["unknown"]:
        count = "1 relevant id is" if len(unknown) == 1 else f"{len(unknown)} relevant ids are"
        console.print(f"{count} no section of the knowledge base:")
        for each in unknown:
            console.print(f"  {escape(each)}")
    if report["worst"]:
        console.print("\nwent worst")
    for missed in report["worst"]:
        place = f"place {missed['place']}" if missed["place"] else "not found"
        console.print(
            f"  {escape(missed['query'])}  [dim]{place}; first: {escape(missed['first'])}[/]"
        )


def _rows(report: Mapping[str, Any]) -> Iterator[list[str]]:
    for kind, figures in {"all": report["metrics"], **report["kinds"]}.items():
        yield [kind or "other", *(_span(figure) for figure in figures.values())]


def _print_answerability(report: Mapping[str, Any]) -> None:
    figures = report["metrics"]
    console.print(f"AUROC {_span(figures['auroc'])}")
    console.print(
        f"at support {SUPPORTED:g}: {_share(figures['refused'])} of the unanswerable refused, "
        f"{_share(figures['false'])} of the answerable\n"
    )
    kinds = report["kinds"].items()
    print_table(
        ("questions", "number", "mean support", "refused"),
        [
            [kind, str(it["questions"]), f"{it['support']:.2f}", _share(it["refused"])]
            for kind, it in kinds
        ],
    )
    console.print()
    print_table(
        ("false refusals", "below support", "unanswerable refused", ""),
        [
            [
                f"≤ {point['allowed']:.0%}",
                f"{point['threshold']:.2f}",
                _share(point["refused"]),
                "█" * round(BAR * point["refused"]["value"]),
            ]
            for point in report["curve"]
        ],
    )
    if report["worst"]:
        console.print("\nwent worst")
    for wrong in report["worst"]:
        about = f"{wrong['answerability'].lower()}; support {wrong['support']:.2f}"
        console.print(f"  {escape(wrong['query'])}  [dim]{about}[/]")


def _span(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"


def _share(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.0%} ({figure['low']:.0%}-{figure['high']:.0%})"
