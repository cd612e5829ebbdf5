"""What a trained language model tells of itself: its summary, and which documents it has seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from inhouse.core.artifact import Input
from inhouse.models.pull import context_tokens
from inhouse.models.spelling import spelling_of
from inhouse.models.weight_files import read_json
from inhouse.train.pace import cost

if TYPE_CHECKING:
    from inhouse.train.held_out import Parted
    from inhouse.train.language import Language
    from inhouse.train.mixer import Mixer
    from inhouse.train.trainer import LanguageTrainer

SEEN = "seen.parquet"


def summary_of(
    spec: Language, base: Input, trainer: LanguageTrainer, mixer: Mixer
) -> dict[str, Any]:
    """Return what a stage reports of a run, whatever the method."""
    losses = trainer.curves.losses
    edge = max(len(losses) // 10, 1)
    config, draws = read_json(base.folder / "config.json"), len(mixer.schedule)
    sizes = dict(zip(mixer.schedule.sources, map(len, mixer.samples), strict=True))
    counts, legs = mixer.schedule.counts(draws), mixer.schedule.by_phase()
    short = f"was short: {trainer.rows} of {trainer.run.rows} rows at once; the result is the same"
    costs = cost(trainer.curves.rows[-1]["seconds"], trainer.run.price)
    return {
        "kind": "adapter" if spec.lora else "language",
        "method": spec.method,
        "architecture": config["model_type"],
        "licence": base.artifact.summary.get("licence", ""),
        "context_tokens": context_tokens(base.folder, config),
        **asdict(spelling_of(base.folder)),
        "steps": len(mixer),
        "tokens": draws * spec.length,
        "first_loss": round(fmean(losses[:edge]), 4),
        "last_loss": round(fmean(losses[-edge:]), 4),
        "perplexity": {
            name: [round(value, 4) for value in ends]
            for name, ends in trainer.curves.perplexity().items()
        },
        "suites": {
            name: [round(value, 4) for value in ends]
            for name, ends in trainer.curves.suites().items()
        },
        "kept_out": {name: len(held) * spec.length for name, held in trainer.run.held.items()},
        "shares": {name: n * spec.length for name, n in counts.items()},
        "times": {name: round(n / sizes[name], 3) for name, n in counts.items()},
        "stages": [
            {name: n * spec.length for name, n in leg.items() if n} for leg in legs if len(legs) > 1
        ],
        **({"cost": costs} if costs else {}),
        **({"memory": short} if trainer.rows < trainer.run.rows else {}),
    }


def bits_of(
    perplexity: Mapping[str, Sequence[float]], parts: Mapping[str, Parted], model: Path
) -> dict[str, list[float]]:
    """Return the same as perplexities in bits of a byte, which no tokenizer changes."""
    from inhouse.train.bytes import bytes_of_token

    sizes = {name: bytes_of_token(part.held, model) for name, part in parts.items()}
    return {
        name: [round(math.log2(value) / sizes[name], 4) for value in ends]
        for name, ends in perplexity.items()
    }


def wasted(spec: Language, mixer: Mixer, parts: Mapping[str, Parted]) -> dict[str, float]:
    """Return the share of places in the rows that hold no token."""
    from inhouse.train.samples import samples_of

    drawn = mixer.schedule.counts(len(mixer.schedule))
    empty = sum(n * samples_of(parts[name].learnt, spec.length).wasted for name, n in drawn.items())
    return {"wasted": round(empty / len(mixer.schedule), 4)}


def write_seen(mixer: Mixer, parts: Mapping[str, Parted], folder: Path) -> None:
    """Write which documents were learnt from: source, id and digest of each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = pa.schema([(name, pa.string()) for name in ("source", "id", "digest")])
    with pq.ParquetWriter(folder / SEEN, columns, compression="zstd") as writer:
        for name, seen in mixer.seen(len(mixer.schedule)).items():
            wanted = set(seen.documents.tolist())
            names = enumerate(parts[name].learnt.names())
            rows = [(name, id, digest) for place, (id, digest) in names if place in wanted]
            found = zip(*rows, strict=True) if rows else ((), (), ())
            writer.write_batch(pa.record_batch(list(map(list, found)), schema=columns))
