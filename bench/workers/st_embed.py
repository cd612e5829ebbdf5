"""Embeds passages with sentence-transformers as it comes: torch, float32, one thread.

The arguments are the folder of the weights and a folder with ``texts.json``. The vectors are left
in that folder; for each line read, the CPU seconds of embedding all texts are printed.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer


def main() -> None:
    """Embed for each line, in batches of 32."""
    torch.set_num_threads(1)
    model = SentenceTransformer(sys.argv[1], device="cpu")
    folder = Path(sys.argv[2])
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    for _ in sys.stdin:
        started = time.process_time()
        vectors = model.encode(texts, batch_size=32, normalize_embeddings=True)
        print(time.process_time() - started, flush=True)
        np.save(folder / "theirs.npy", vectors)


if __name__ == "__main__":
    main()
