"""Starts the processes of a run on this machine, as torchrun does: if one fails, all end.

A program of its own: ``python -m inhouse.train.torchrun COUNT FOLDER``. It writes how they ended,
if it was not well.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path

from inhouse.train.processes import ENDED


def main() -> int:
    """Run the processes; return 0 if all ended well."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", "inhouse.train.rank", str(folder))
    except ChildFailedError as error:
        codes = {rank: one.exitcode for rank, one in error.failures.items()}
        (folder / ENDED).write_text(json.dumps(codes), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
