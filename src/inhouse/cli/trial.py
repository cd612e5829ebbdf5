"""What is told of a version that is tried beside the one that is served."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inhouse.cli.terminal import console, print_json, print_next, print_table

if TYPE_CHECKING:
    from inhouse.catalog.trials import Trial
    from inhouse.project.comparing import Comparison, Side
    from inhouse.project.release import Tried


def plain(trial: Trial | None) -> dict[str, Any] | None:
    """Return a trial as an object for machines."""
    if trial is None:
        return None
    return {
        "ref": trial.ref.pinned,
        "kind": trial.kind,
        "percent": trial.percent,
        "began": at(trial.began),
        "by": trial.actor,
    }


def said(trial: Trial) -> str:
    """Return in words what goes on."""
    share = f"{trial.percent:g} %"
    if trial.kind == "canary":
        return f"canary: {trial.ref} answers {share} of the actors since {at(trial.began)}"
    return f"shadow: {trial.ref} is sent {share} of the requests since {at(trial.began)}"


def ended(trial: Trial) -> str:
    """Return in words that it is over."""
    return f"The {trial.kind} of {trial.ref} has ended."


def at(seconds: float) -> str:
    """Return a time in seconds since 1970 as people read it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def tell(tried: Tried, changes: list[str], *, as_json: bool) -> None:
    """Say what is tried from now on, and in what it differs from what is served."""
    if as_json:
        listed = [{"name": c.name, "before": c.before, "after": c.after} for c in tried.changes]
        print_json({"served": tried.served.pinned, "trial": plain(tried.trial), "changes": listed})
        return
    path = tried.served.path
    console.print(f"{said(tried.trial)}; {tried.served} is served.")
    for line in changes:
        console.print(line)
    # By its version: a run in the meantime may make another one that waits.
    named = f"{path} {str(tried.trial.ref).rpartition('@')[2]}"
    print_next(
        f"inhouse release {path} --compare", f"inhouse release {named}", f"inhouse rollback {path}"
    )


def tell_comparison(found: Comparison, *, as_json: bool) -> None:
    """Print both sides beside each other."""
    sides = {"released": found.released, "tried": found.tried}
    if as_json:
        print_json(
            {
                "served": found.served.pinned,
                "trial": plain(found.trial),
                "cut": found.cut,
                **{
                    name: {field: getattr(side, field) for field in side.__slots__}
                    for name, side in sides.items()
                },
            }
        )
        return
    console.print(said(found.trial))
    rows = zip(_rows(found.released), _rows(found.tried), strict=True)
    print_table(
        ("", str(found.served), str(found.trial.ref)),
        [(name, one, other) for (name, one), (_, other) in rows],
    )
    of = "the last of the requests" if found.cut else "the requests"
    console.print(f"Counted are {of} that you may read.")


def _rows(side: Side) -> list[tuple[str, str]]:
    cost = ", ".join(f"{value:.4g} {unit}".strip() for unit, value in sorted(side.cost.items()))
    counts = [(n, f"{getattr(side, n):,}") for n in ("requests", "failed", "aborted", "refused")]
    return [
        *counts,
        ("median", _seconds(side.median_seconds)),
        ("95 % within", _seconds(side.p95_seconds)),
        ("tokens read", f"{side.prompt_tokens:,}"),
        ("tokens written", f"{side.completion_tokens:,}"),
        ("cost", cost or "-"),
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"
