"""One of the processes that train together: finds its job in a folder, and does its part of it.

A program of its own: ``python -m inhouse.train.rank FOLDER``. It ends at once when its standard
input does: who started it is gone then. On a Ray cluster `take_part` is all of it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from inhouse.core.access import Actor
from inhouse.core.errors import InhouseError, UserError
from inhouse.core.stage import Context, silent
from inhouse.train.processes import ERROR, JOB, PROGRESS, RESULT, Processes, inputs_of

WORDS = 300


def main() -> int:
    """Do this process's part of the job; return 0 if it ended well."""
    threading.Thread(target=_watch, daemon=True).start()
    folder, number = Path(sys.argv[1]), int(os.environ["RANK"])
    log = os.open(folder / f"rank-{number}.log", os.O_WRONLY | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    begin(int(os.environ["LOCAL_RANK"]))
    return 0 if take_part(folder) else 1


def begin(local: int) -> None:
    """Meet the other processes: on GPUs by NCCL, one for each, and by Gloo where there are none."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(local)
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def take_part(folder: Path) -> bool:
    """Do a part of the job in `folder`, and say whether it went well.

    What went wrong lies in the folder then.
    """
    from inhouse.train import together

    number = together.rank()
    try:
        result = _do(json.loads((folder / JOB).read_text(encoding="utf-8")), folder, number)
    except KeyboardInterrupt:
        return True  # as it was asked: what was done is kept, and there is no result
    except InhouseError as error:
        told = {"what": error.what, "fix": error.fix, "user": isinstance(error, UserError)}
        _write(folder / ERROR, told)
        return False
    except Exception as error:
        traceback.print_exc()
        words = f"{type(error).__name__}: {error}".strip().splitlines()[0][:WORDS].rstrip(".")
        (folder / f"crash-{number}.txt").write_text(words, encoding="utf-8")
        return False
    if number == 0:
        _write(folder / RESULT, result)
    return True


def _do(job: dict[str, Any], folder: Path, number: int) -> dict[str, Any]:
    stage = import_module(job["stage"])
    spec = spec_of(stage.SPEC, job["spec"])

    def progress(*told: object) -> None:
        _write(folder / PROGRESS, told)

    ctx = Context(Path(job["work"]), Actor(""), job["seed"], silent if number else progress)
    result = stage.run(spec, inputs_of(job), ctx)
    return {"summary": dict(result.summary), "scratch": result.scratch}


def spec_of(kind: Any, told: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the spec of a stage out of its JSON."""
    assert {one.name for one in fields(kind)} == told.keys()
    processes = Processes(**told["processes"])
    return kind(**{name: _tuples(value) for name, value in told.items()} | {"processes": processes})


def _tuples(value: Any) -> Any:  # noqa: ANN401
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _write(path: Path, told: object) -> None:
    """Write a file that is whole for whoever reads it meanwhile."""
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(told), encoding="utf-8")
    aside.replace(path)


def _watch() -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
