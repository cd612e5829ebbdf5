"""What is shown while steps are made, and what is told of them afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inhouse.cli.judged import judged
from inhouse.cli.progress import Shown, shown
from inhouse.cli.terminal import metrics, size
from inhouse.cli.trial import ended
from inhouse.cli.trial import plain as plain_trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inhouse.catalog import Made
    from inhouse.catalog.trials import Trial
    from inhouse.core.artifact import Ref
    from inhouse.core.stage import Progress
    from inhouse.project.findings import Marked
    from inhouse.project.observer import Followed
    from inhouse.project.plan import Planned
    from inhouse.project.project import Project

TOLD = 3
UNTOLD = ("bytes", "teacher_bytes", "smallest_class", "largest_class", "context_tokens")


class Stopped(KeyboardInterrupt):
    """Somebody stopped a run; it says what is kept."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The steps of a run, the endpoints that went out of service, and the trials that ended.

    `marked` are the data sets that were found in it to hold personal data, or that nobody may read
    because of what was found before.
    """

    followed: Sequence[Followed]
    retired: Sequence[str]
    ended: Sequence[Trial]
    marked: Sequence[Marked]


def make(
    house: Project,
    target: str | None,
    known: set[str],
    *,
    loosen: bool = False,
    strict: bool = False,
    quiet: bool,
) -> Ran:
    """Run a project and show what happens, unless `quiet`; add what was left out to `known`."""
    with shown(quiet=quiet) as display:
        return _run(house, target, _Observer(display, house, known), loosen=loosen, strict=strict)


def make_again(
    house: Project, target: str | None, known: set[str], *, strict: bool, quiet: bool
) -> Ran:
    """Do as `make` does, and say only what was left out and is not in `known`; add it there."""
    with shown(quiet=quiet, brief=True) as display:
        return _run(house, target, _Observer(display, house, known, brief=True), strict=strict)


def _run(
    house: Project,
    target: str | None,
    observer: _Observer,
    *,
    loosen: bool = False,
    strict: bool = False,
) -> Ran:
    from inhouse.project.findings import marked

    before = house.catalog.trials.running()
    try:
        followed = house.run(target, loosen=loosen, strict=strict, observer=observer)
    except KeyboardInterrupt:
        raise Stopped(observer.left()) from None
    going = {(trial.ref.path, trial.began) for trial in house.catalog.trials.running()}
    ended = [trial for trial in before if (trial.ref.path, trial.began) not in going]
    found = [(f, marked(f.made.artifact, house.catalog, house.groups)) for f in followed]
    told = [one for f, one in found if one and (f.made.fresh or not one.readers)]
    return Ran(followed, observer.retired, ended, told)


def plain(ran: Ran) -> dict[str, Any]:
    """Return a run as an object for machines."""
    return {
        "steps": [
            {
                "ref": f.planned.step.path,
                "version": f.made.artifact.ref.version,
                "digest": f.made.artifact.digest,
                "made": f.made.fresh,
                "waits": f.waits,
                "seconds": f.made.artifact.seconds if f.made.fresh else 0.0,
                "summary": dict(f.made.artifact.summary),
                "metrics": metrics(f.made.artifact.summary),
            }
            for f in ran.followed
        ],
        "retired": ran.retired,
        "ended": [plain_trial(trial) for trial in ran.ended],
        "personal_data": [
            {"ref": one.path, "carries": str(one.found), "readers": one.readers}
            for one in ran.marked
        ],
    }


def waiting(ran: Ran) -> list[str]:
    """Return in words what a run found, which trials it ended, and what it does not serve yet."""
    over = [*(one.said for one in ran.marked), *(ended(trial) for trial in ran.ended)]
    return over + [waits_for(f.made.artifact.ref) for f in ran.followed if f.waits]


def waits_for(ref: Ref) -> str:
    """Return in words that a version is not served yet, and how that is done."""
    return f"{ref} waits for: inhouse release {ref.path}"


def told(name: str, value: int) -> str:
    """Return a count in words."""
    noun = name.replace("_", " ")
    return f"{value:,} {noun.removesuffix('s') if value == 1 else noun}"


class _Observer:
    """Shows each step that is made, and says a line when it is done."""

    def __init__(
        self, display: Shown, house: Project, known: set[str], *, brief: bool = False
    ) -> None:
        self._display = display
        self._house = house
        self._known = known
        self._brief = brief
        self.retired: list[str] = []
        self._begun: Planned | None = None

    def left(self) -> str:
        """Return in words what is kept of the step in hand, and of those before it."""
        from inhouse.project.unfinished import goes_on

        begun = self._begun
        said = goes_on(begun.step.recipe, self._house.catalog) if begun else ""
        what = "What was done before is kept" if said else "What was done is kept"
        return f"{begun.step.path} {said}. {what}" if begun and said else what

    def begin(self, planned: Planned) -> Progress:
        """Return the progress of a step, which shows itself if the step is really made."""
        self._begun = planned
        if planned.status != "will be made":
            return lambda done, total, unit: None
        return self._display.task(f"{planned.step.path}: {planned.reason}")

    def end(self, planned: Planned, made: Made) -> None:
        """Say what was made, and what it left out unless that was said before."""
        if not made.fresh:
            return
        if not self._brief:
            self._display.say(f"made {_line(made)}")
        if made.artifact.ref.section != "data":
            return
        from inhouse.project.left_out import left_out

        ref = made.artifact.ref
        funnel = made.artifact.summary.get("funnel")
        if funnel and not funnel[-1]["rows"]:
            self._display.say(f"  nothing is left in it; what went where: inhouse show {ref.path}")
        files = left_out(self._house, made.artifact).files
        lines = [f"{file['path']}: {file['reason']}" for file in files]
        news = [line for line in lines if line not in self._known]
        self._known.update(news)
        for line in news[:TOLD]:
            self._display.say(f"  left out {line}")
        if len(news) > TOLD:
            more = f"  and {len(news) - TOLD} more: inhouse show {ref.path}"
            self._display.say(more)

    def retire(self, ref: Ref) -> None:
        """Say what is served no more, and keep its name."""
        self.retired.append(ref.path)
        self._display.say(f"out of service: {ref.path}")

    def wait(self, path: str) -> None:
        """Say that another run has something in hand, which may be at another step by now."""
        self._display.say(f"waits: {path} is part of another run")


def _line(made: Made) -> str:
    artifact = made.artifact
    facts = judged(artifact.summary)
    facts += [told(name, value) for name, value in artifact.summary.items() if _tells(name, value)]
    if artifact.size:
        facts.append(size(artifact.size))
    parts = (str(artifact.ref), ", ".join(facts), f"({artifact.seconds:.1f} s)")
    return "  ".join(part for part in parts if part)


def _tells(name: str, value: object) -> bool:
    return (
        isinstance(value, int) and not isinstance(value, bool) and name not in UNTOLD and value > 0
    )
