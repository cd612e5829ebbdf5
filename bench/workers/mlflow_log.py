"""Logs runs with MLflow: parameters into a SQLite store, one file into its folder of artifacts.

The argument is an empty folder. It goes by `MlflowClient`, which leaves out the look at the
environment that `mlflow.start_run` takes.
"""

import logging
import os
import sys
import time
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow.entities import Param
from mlflow.tracking import MlflowClient

SIZE = 1_000_000


def main() -> None:
    """Write a file of random bytes and log it as one finished run, for each line read."""
    logging.disable(logging.WARNING)
    folder = Path(sys.argv[1])
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.create_experiment("commit", artifact_location=(folder / "runs").as_uri())
    for number, _ in enumerate(sys.stdin):
        content = os.urandom(SIZE)
        started = time.perf_counter()
        file = folder / "weights.bin"
        file.write_bytes(content)
        run = client.create_run(experiment).info.run_id
        client.log_batch(run, params=[Param("number", str(number)), Param("size", str(SIZE))])
        client.log_artifact(run, str(file))
        client.set_terminated(run)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
