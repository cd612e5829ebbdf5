"""`inhouse show`: everything the catalog knows of one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from inhouse.cli.curves import print_curves, print_learnt, take_learnt
from inhouse.cli.funnel import print_funnel
from inhouse.cli.judged import gained
from inhouse.cli.making import waits_for
from inhouse.cli.options import FILE, As, AsJson, ProjectFile, opened
from inhouse.cli.smaller import print_rungs, take_rungs
from inhouse.cli.terminal import (
    console,
    in_words,
    metrics,
    print_json,
    print_next,
    print_table,
    size,
)
from inhouse.cli.trial import plain as plain_trial
from inhouse.cli.trial import said

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from inhouse.core.artifact import Artifact, Ref

# How much of an index had to be embedded tells what other indexes hold, so only its run tells it.
OF_A_RUN = ("embedded", "reused")
HEADINGS = {
    "confused": ("is", "taken for", "times"),
    "mix": ("source", "asked for"),
    "personal_data": ("step", "type", "findings", "rows"),
}
# Settings that say less than what was found or made: how many were read in each stage, for one.
HIDDEN = ("files", "salt", "steps", "sources", "stages")
FLOWS = {"carry": "carried", "inherit": "carried", "filter": "asked item by item"}
# What of a thing tells what is in it.
CLOSED: dict[str, Any] = {
    **{"digest": "", "bytes": None, "seconds": None},
    **{"params": {}, "summary": {}, "metrics": {}, "files": []},
}


def show(
    ref: Annotated[str, typer.Argument(help="section/name or section/name@version.")],
    curves: Annotated[
        bool, typer.Option("--curves", help="Draw the loss of a trained model over its steps.")
    ] = False,
    actor: As = None,
    project: ProjectFile = FILE,
    as_json: AsJson = False,
) -> None:
    """Show what is known of one thing; of its files, only to whoever may read it."""
    from inhouse.core.artifact import Ref
    from inhouse.project import learnt
    from inhouse.project import left_out as ledger

    with opened(project, actor) as house:
        artifact = house.artifact(Ref.parse(ref))
        drawn = learnt.curves(house, artifact) if curves else None
        left_out, closed = ledger.left_out(house, artifact), not ledger.may_read(house, artifact)
        waiting = house.catalog.releases.waiting()
        trial = house.catalog.trials.of(artifact.ref)
        now = house.catalog.lineage.now()
        by_source, is_base = now.asked(artifact.ref), artifact.ref.section == "knowledge"
        label = now.demands_by_item(artifact.ref).label if is_base else artifact.label
    plain = _plain(artifact) | {"left_out": left_out.files}
    funnel = plain["summary"].pop("funnel", None)
    unseen = [ref.path for ref in left_out.closed]
    if closed:
        plain |= CLOSED
        unseen, funnel = unseen or [artifact.ref.path], None
    plain["closed"] = unseen
    if artifact.ref in waiting and not artifact.gone:
        plain["state"] = f"in the store; waits for: inhouse release {artifact.ref.path}"
    if by_source:
        paths = ", ".join(ref.path for ref in by_source)
        plain["label"] = f"{label}; then that of each of: {paths}"
    if as_json:
        more = {"curves": drawn} if drawn else {}
        print_json(plain | {"trial": plain_trial(trial), "funnel": funnel} | more)
        return
    _print(plain, left_out.files)
    print_curves(drawn or {})
    print_funnel(funnel or ())
    if unseen:
        console.print(f"\nFiles of {', '.join(unseen)} are shown only to whoever may read them.")
    _print_waiting(artifact.ref, waiting)
    if trial:
        console.print(said(trial))
    path = artifact.ref.path
    print_next(f"inhouse lineage {path}", f"inhouse why {path} --actor NAME")


def _print_waiting(ref: Ref, waiting: Iterable[Ref]) -> None:
    for newer in waiting:
        if newer.path == ref.path and newer != ref:
            console.print(f"\n{waits_for(newer)}")


def _print(plain: dict[str, Any], left_out: Sequence[Mapping[str, str]]) -> None:
    """Print what is known of a thing for people."""
    files = plain.pop("files")
    parents, params = plain.pop("parents"), plain.pop("params")
    for name in ("metrics", "left_out", "closed"):
        plain.pop(name)
    learnt, tried = take_learnt(plain["summary"]), take_rungs(plain["summary"])
    # What was measured has the last word: `steps` taken, not the most that were allowed.
    facts = {
        **{k: v for k, v in params.items() if k not in HIDDEN},
        **plain.pop("summary"),
    }
    facts |= {"gain": gained(facts["gain"])} if "gain" in facts else {}
    figures = facts.pop("metrics", {})
    if plain["bytes"] is not None:
        plain |= {"seconds": f"{plain['seconds']:.1f}", "bytes": size(plain["bytes"])}
    tables = {name: facts.pop(name) for name in list(facts) if _is_table(facts[name])}
    told = [(name, in_words(value)) for name, value in {**plain, **facts}.items()]
    print_table(("", ""), [(name, value) for name, value in told if value])
    if figures:
        console.print("\nmeasured")
        print_table(
            ("", "value", "95 %"),
            [
                (n, f"{f['value']:.3f}", f"{f['low']:.3f}-{f['high']:.3f}")
                for n, f in figures.items()
            ],
        )
    for name, rows in tables.items():
        _print_rows(name, rows)
    print_learnt(learnt)
    print_rungs(tried)
    if parents:
        console.print("\nmade from")
        by_item = plain["ref"].startswith("knowledge/")
        rows = [
            (p["role"], p["ref"], FLOWS["filter" if by_item and _is_data(p) else p["flow"]])
            for p in parents
        ]
        print_table(("role", "parent", "label"), rows)
    if files:
        console.print("\nfiles")
        print_table(
            ("path", "size", "sha256"),
            [(f["path"], size(f["bytes"]), f["sha256"][:16]) for f in files],
        )
    if left_out:
        console.print("\nleft out")
        print_table(("path", "reason"), [(f["path"], f["reason"]) for f in left_out])


def _is_table(value: object) -> bool:
    """Say whether a fact is rows of the same columns."""
    if not isinstance(value, list) or not value or not isinstance(value[0], list | dict):
        return False
    shapes = {tuple(row) if isinstance(row, dict) else len(row) for row in value}
    return len(shapes) == 1


def _print_rows(name: str, rows: Sequence[Any]) -> None:
    """Print a fact that has rows: with their keys as headings, or with those it is known by."""
    console.print(f"\n{name.replace('_', ' ')}")
    keyed = isinstance(rows[0], dict)
    heads = HEADINGS.get(name, rows[0] if keyed else [""] * len(rows[0]))
    cells = [[row[head] for head in heads] if keyed else row for row in rows]
    shown = [head.replace("_", " ") for head in heads]
    print_table(shown, [[in_words(cell) for cell in row] for row in cells])


def _is_data(parent: Mapping[str, str]) -> bool:
    return parent["ref"].startswith("data/")


def _plain(artifact: Artifact) -> dict[str, Any]:
    summary = {name: value for name, value in artifact.summary.items() if name not in OF_A_RUN}
    return {
        "ref": artifact.ref.path,
        "version": artifact.ref.version,
        "digest": artifact.digest,
        "label": str(artifact.label),
        "state": artifact.gone or "in the store",
        "recipe": f"{artifact.recipe} (code {artifact.code})",
        "created": artifact.created.isoformat(timespec="seconds"),
        "seconds": artifact.seconds,
        "by": artifact.actor,
        "bytes": artifact.size,
        "params": dict(artifact.params),
        "summary": summary,
        "metrics": metrics(summary),
        "parents": [
            {"role": e.role, "ref": str(e.parent), "flow": e.flow} for e in artifact.parents
        ],
        "files": [
            {"path": path, "bytes": f.size, "sha256": f.digest}
            for path, f in artifact.files.items()
        ],
    }
