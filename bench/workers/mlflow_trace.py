"""Traces chats with MLflow into a SQLite store, each exported before it returns.

The arguments are an empty folder and the number of threads.
"""

import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"

import mlflow

ASKED, ANSWERED = "x" * 1500, "y" * 300
TRACES_PER_THREAD = 4


def trace(number: int) -> None:
    """Trace one chat."""
    with mlflow.start_span("chat") as span:
        span.set_inputs({"messages": [{"role": "user", "content": ASKED}]})
        span.set_outputs(ANSWERED)


def main() -> None:
    """Trace some chats from all threads for each line read; print the seconds of one."""
    logging.disable(logging.WARNING)
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_experiment("chats")
    trace(0)
    count = threads * TRACES_PER_THREAD
    with ThreadPoolExecutor(threads) as pool:
        for _ in sys.stdin:
            started = time.perf_counter()
            list(pool.map(trace, range(count)))
            print((time.perf_counter() - started) / count, flush=True)


if __name__ == "__main__":
    main()
