"""`inhouse evaluate`: how well knowledge bases, models and endpoints do on a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.progress import shown
from inhouse.cli.terminal import console, print_json, print_table
from inhouse.core.nouns import SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from inhouse.catalog import Made

BAR = 20


def evaluate(
    things: Annotated[
        list[str],
        typer.Argument(
            help="knowledge/NAME, models/NAME or endpoints/NAME, several to compare them; then "
            "suites/NAME.",
            show_default=False,
        ),
    ],
    project: ProjectFile = FILE,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Measure a knowledge base, a model or an endpoint with a suite of questions."""
    from inhouse.core.errors import BadInput

    *named, suite = things
    if not named:
        raise BadInput("There is nothing to measure.", "Name it before the suite.")
    with opened(project, actor) as house:
        found = []
        with shown(quiet=as_json) as display:
            for each in named:
                progress = display.task(f"{each} on {suite}")
                made, report = house.evaluate(each, suite, progress=progress)
                found.append(_plain(made) | report)
        apart = house.differences(found) if len(found) > 1 else []
    if as_json:
        one = {"reports": found, "differences": apart} if apart else found[0]
        print_json(one)
        return
    if apart:
        _print_compared(named, found, apart)
    else:
        PRINTED.get(found[0]["kind"], _print_examined)(found[0])
    for report in found:
        console.print(f"\n[dim]kept as {report['ref']}[/]")


def _plain(made: Made) -> dict[str, Any]:
    ref, digest = str(made.artifact.ref), made.artifact.digest
    return {"ref": ref, "digest": digest, "made": made.fresh}


def _print_examined(report: Mapping[str, Any]) -> None:
    print_table((f"{len(report['marks'])} questions", *report["metrics"]), _rows(report))
    if report["worst"]:
        console.print("\nwent worst")
    for wrong in report["worst"]:
        right = f"; right: {' or '.join(wrong['right'])}" if wrong["right"] else ""
        console.print(f"  {escape(_line(wrong['asked']))}")
        console.print(f"    [dim]{escape(_line(wrong['said'] + right))}[/]")


def _line(text: str) -> str:
    return " ".join(text.split())


def _print_compared(
    named: Sequence[str],
    reports: Sequence[Mapping[str, Any]],
    differences: Sequence[Mapping[str, Any]],
) -> None:
    names = list(reports[0]["metrics"])
    rows = [
        [name, *(_span(report["metrics"][each]) for each in names)]
        for name, report in zip(named, reports, strict=True)
    ]
    print_table(("", *names), rows)
    console.print(f"\nhigher than {named[0]} by, question by question")
    rows = [
        [name, *(_span(apart[each]) for each in names)]
        for name, apart in zip(named[1:], differences, strict=True)
    ]
    print_table(("", *names), rows)


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


def _print_needles(report: Mapping[str, Any]) -> None:
    from inhouse.evaluate.needle import table

    head, *rows = table(report["marks"])
    console.print(f"{len(report['marks'])} needles, found {_span(report['metrics']['found'])}\n")
    print_table(head, rows)


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
    low, high = f"{figure['low']:.3f}", f"{figure['high']:.3f}"
    return f"{figure['value']:.3f} ({low}{' to ' if '-' in low + high else '-'}{high})"


def _share(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.0%} ({figure['low']:.0%}-{figure['high']:.0%})"


PRINTED: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "retrieval": _print_retrieval,
    "answerability": _print_answerability,
    "needle": _print_needles,
}
