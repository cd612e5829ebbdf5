"""Reads a mix of token windows with mosaicml-streaming, in one process.

The arguments are a folder with ``NAME.npy`` for each source, the tokens as uint16, the shares as
JSON, and how many samples a round has. The tokens are converted once, as the library's users do.
For each line read, the CPU seconds of a round are printed.
"""

import json
import sys
import time
import types
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import torch

# It imports torchvision whatever is read, and that one wants a GPU's libraries here.
for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
    module = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.to_tensor = None  # type: ignore[attr-defined]
    sys.modules[name] = module
sys.modules["torchvision.datasets"] = vision = types.ModuleType("torchvision.datasets")
vision.VisionDataset = object  # type: ignore[attr-defined]

from streaming import MDSWriter, Stream, StreamingDataset  # noqa: E402

LENGTH, BATCH = 2048, 8


def main() -> None:
    """Convert, then read for each line."""
    folder, shares = Path(sys.argv[1]), json.loads(sys.argv[2])
    streams = []
    for name, share in shares.items():
        out = folder / "mds" / name
        tokens = np.load(folder / f"{name}.npy")
        with MDSWriter(out=str(out), columns={"tokens": f"ndarray:int32:{LENGTH}"}) as writer:
            for window in tokens[: len(tokens) // LENGTH * LENGTH].reshape(-1, LENGTH):
                writer.write({"tokens": window.astype(np.int32)})
        streams.append(Stream(local=str(out), proportion=share))
    dataset = StreamingDataset(
        streams=streams, epoch_size=10**6, shuffle=True, batch_size=BATCH, num_canonical_nodes=1
    )
    samples = iter(dataset)
    for _ in sys.stdin:
        started = time.process_time()
        for _ in range(int(sys.argv[3]) // BATCH):
            torch.stack(
                [torch.from_numpy(next(samples)["tokens"].astype(np.int64)) for _ in range(BATCH)]
            )
        print(time.process_time() - started, flush=True)


if __name__ == "__main__":
    main()
