"""Reads a mix of token windows with litdata, in one process.

The arguments are a folder with ``NAME.npy`` for each source, the tokens as uint16, the shares as
JSON, and how many samples a round has. The tokens are converted once, as the library's users do.
For each line read, the CPU seconds of a round are printed.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from litdata import CombinedStreamingDataset, StreamingDataset, TokensLoader, optimize

LENGTH, BATCH = 2048, 8


def read(file: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Give the tokens of a source, a window at a time."""
    tokens = np.load(file)
    for window in tokens[: len(tokens) // LENGTH * LENGTH].reshape(-1, LENGTH):
        yield torch.from_numpy(window.astype(np.int32))


def main() -> None:
    """Convert, then read for each line."""
    # It greets on the standard output, from processes of its own as well.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder, shares = Path(sys.argv[1]), json.loads(sys.argv[2])
    datasets = []
    for name in shares:
        out = str(folder / "lit" / name)
        optimize(
            fn=read,
            inputs=[str(folder / f"{name}.npy")],
            output_dir=out,
            chunk_size=LENGTH * 4096,
            num_workers=1,
            item_loader=TokensLoader(block_size=LENGTH),
        )
        loader = TokensLoader(block_size=LENGTH)
        datasets.append(StreamingDataset(input_dir=out, item_loader=loader, shuffle=True))
    mixed = CombinedStreamingDataset(
        datasets, seed=17, weights=list(shares.values()), iterate_over_all=False
    )
    samples = iter(mixed)
    for _ in sys.stdin:
        started = time.process_time()
        for _ in range(int(sys.argv[3]) // BATCH):
            rows: list[torch.Tensor] = []
            while len(rows) < BATCH:
                row = next(samples, None)
                if row is None:
                    samples = iter(mixed)
                else:
                    rows.append(row)
            torch.stack(rows).to(torch.int64)
        print(time.process_time() - started, file=answers, flush=True)


if __name__ == "__main__":
    main()
