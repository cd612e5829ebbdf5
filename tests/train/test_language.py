"""A language model learns what it is asked to, no more, and the same when it was cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from train.tiny_llama import DATA, VOCABULARY, about, repeated, talks, tiny_llama, trained

from inhouse.core.errors import BadInput, InhouseError
from inhouse.models.chat_format import TEMPLATE
from inhouse.train.checkpoint import commit, newest
from inhouse.train.held_out import parted
from inhouse.train.language import Language
from inhouse.train.learning import CHECKPOINTS
from inhouse.train.mixer import Batch
from inhouse.train.stream import UNLEARNT, parts_of, targets_of
from inhouse.train.tokens import Tokenised, Tokens, write_tokens
from inhouse.train.watch import FEW, MANY, Curves

LENGTH, BATCH, STEPS = 32, 4, 12
MIX = ((DATA, 1.0),)
FULL = Language(
    "continue", MIX, tokens=STEPS * BATCH * LENGTH, length=LENGTH, batch=BATCH, rate=1e-2, lora=0
)
LORA = Language(
    "continue", MIX, tokens=STEPS * BATCH * LENGTH, length=LENGTH, batch=BATCH, rate=1e-2, lora=4
)
WEIGHTS = "model.safetensors"

train = pytest.mark.train


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "tiny", dropout=0.1)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {DATA: repeated(tmp_path_factory.mktemp("tokens") / "notes")}


@train
def test_all_weights_learn_and_what_comes_out_is_a_pulled_model(
    base: Path, sources: dict[str, Path], tmp_path: Path
):
    import pyarrow.parquet as pq

    from inhouse.models.transformers_engine import TransformersEngine

    work = tmp_path / "work"
    told = trained(FULL, base, sources, work).summary
    before, after = told["perplexity"][DATA]
    assert told["kind"] == "language"
    assert told["parameters"] == told["trained"]
    assert (told["steps"], told["shares"]) == (STEPS, {DATA: STEPS * BATCH * LENGTH})
    assert told["last_loss"] < told["first_loss"] - 1
    assert after < before / 3
    assert TransformersEngine.load(work).capacity == 64
    curves = pq.read_table(work / "curves.parquet")
    assert curves["step"].to_pylist() == list(range(STEPS + 1))
    assert curves[f"loss {DATA}"].to_pylist()[1:] == curves["loss"].to_pylist()[1:]
    measured = curves[f"perplexity {DATA}"].to_pylist()
    assert [round(one, 4) for one in measured if one] == [before, after]
    seen = pq.read_table(work / "seen.parquet").to_pylist()
    assert seen[0] == {"source": DATA, "id": "0.md", "digest": "0" * 64}
    assert "MIT" in (work / "card.md").read_text(encoding="utf-8")


@train
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("tied", [True, False])
def test_a_lora_merges_to_what_it_was(sources: dict[str, Path], tmp_path: Path, tied: bool):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from inhouse.models.adapter import merged
    from inhouse.models.lora import plain_config
    from inhouse.models.weights import open_weights, save_safetensors

    base, work = tiny_llama(tmp_path / "base", tied=tied), tmp_path / "work"
    told = trained(LORA, base, sources, work).summary
    assert told["kind"] == "adapter"
    assert told["trained"] < told["parameters"] / 2
    assert told["last_loss"] < told["first_loss"]
    config = plain_config(work)
    assert (config["r"], config["base_model_name_or_path"]) == (4, "models/tiny")
    tokens = torch.arange(1, 33)[None]
    with torch.inference_mode():
        plain = AutoModelForCausalLM.from_pretrained(base).eval()
        unchanged = plain(tokens).logits
        theirs = PeftModel.from_pretrained(plain, work).eval()(tokens).logits
        save_safetensors(merged(open_weights(base), work), tmp_path / WEIGHTS)
        (tmp_path / "config.json").write_bytes((base / "config.json").read_bytes())
        ours = AutoModelForCausalLM.from_pretrained(tmp_path).eval()(tokens).logits
    assert (theirs - unchanged).abs().max() > 0.1
    assert (theirs - ours).abs().max() < 1e-2


@train
@pytest.mark.parametrize("spec", [FULL, LORA])
def test_a_single_step_learns(base: Path, sources: dict[str, Path], tmp_path: Path, spec: Language):
    told = trained(replace(spec, tokens=1), base, sources, tmp_path / "work").summary
    before, after = told["perplexity"][DATA]
    assert told["steps"] == 1
    assert after < before


@train
def test_chats_are_packed_and_documents_may_be_mixed_in(sources: dict[str, Path], tmp_path: Path):
    chats = {"data/talks": talks(tmp_path / "talks")}
    mix = (("data/talks", 3.0), (DATA, 1.0))
    spec = replace(FULL, method="instruct", mix=mix, tokens=None, epochs=2.0)
    base = tiny_llama(tmp_path / "base")
    told = trained(spec, base, sources | chats, tmp_path / "work").summary
    rows = told["tokens"] // LENGTH
    assert told["shares"] == {"data/talks": rows * 3 // 4 * LENGTH, DATA: rows // 4 * LENGTH}
    assert 0 < told["wasted"] < 0.2
    for before, after in told["perplexity"].values():
        assert after < before / 3
    with pytest.raises(BadInput, match=r"data/talks holds chats\. Learn .* 'method: instruct'"):
        trained(replace(spec, method="continue"), base, sources | chats, tmp_path / "no")


@train
def test_a_lora_that_merges_to_something_else_is_not_reported(
    base: Path, sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from inhouse.train import language_model

    monkeypatch.setattr(language_model, "merged", lambda weights, folder: weights)
    with pytest.raises(InhouseError, match=r"merged weights score by .* otherwise"):
        trained(LORA, base, sources, tmp_path / "work")


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from train import tiny_llama
from inhouse.train import checkpoint, learning, trainer
from train.test_language import FULL, LORA
where, writes = sys.argv[1], 0
learning.KEEP_SECONDS = 300 if where in signal.Signals.__members__ else 0
whole = trainer.save_file
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def save_file(tensors, path, metadata):
    global writes
    writes += 1
    whole(tensors, path, metadata)
    if where == "inside" and writes == 6:
        os.truncate(path, path.stat().st_size // 2)
        die()
trainer.save_file = save_file
def progress(done, *_):
    if where == "between" and done == 7:
        die()
    global writes
    if where in signal.Signals.__members__ and done == 7 and not writes:
        writes = 1
        os.kill(os.getpid(), signal.Signals[where])
tiny_llama.trained({spec}, Path({base!r}), {{tiny_llama.DATA: Path({data!r})}}, Path({work!r}),
                   progress=progress)
"""


@train
@pytest.mark.parametrize(
    ("where", "spec"),
    [
        pytest.param("between", "FULL", marks=pytest.mark.slow),
        ("inside", "LORA"),
        pytest.param("between", "LORA", marks=pytest.mark.slow),
        pytest.param("inside", "FULL", marks=pytest.mark.slow),
        ("SIGINT", "LORA"),
        pytest.param("SIGTERM", "FULL", marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_moment_it_ends_in_the_same_weights(
    base: Path, sources: dict[str, Path], tmp_path: Path, where: str, spec: str
):
    settings = {"FULL": FULL, "LORA": LORA}[spec]
    whole = dict(trained(settings, base, sources, tmp_path / "whole").summary)
    work = tmp_path / "cut"
    code = KILLED.format(
        tests=str(Path(__file__).parents[1]), spec=spec, base=str(base), data=str(sources[DATA]),
        work=str(work),
    )  # fmt: skip
    ended = subprocess.run([sys.executable, "-c", code, where], timeout=100)
    cut = where in ("between", "inside")
    assert ended.returncode == -(signal.SIGKILL if cut else signal.SIGINT)  # as Python says it
    kept = newest(work / CHECKPOINTS)
    assert kept is not None
    assert kept.step == {"between": 6, "inside": 5}.get(where, 7)
    steps: list[int] = []
    again = trained(settings, base, sources, work, progress=lambda done, *_: steps.append(done))
    assert steps == list(range(kept.step + 1, STEPS + 1))
    name = WEIGHTS if spec == "FULL" else "adapter_model.safetensors"
    assert (work / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    measured = ("tokens_per_second", "share_of_peak")
    ended_in = dict(again.summary)
    for told in (ended_in, whole):
        assert all(told.pop(name) > 0 for name in measured)
    assert ended_in == whole
    left = {file.relative_to(work).as_posix() for file in work.rglob("*") if file.is_file()}
    assert not [name for name in left - set(again.scratch) if name.startswith(CHECKPOINTS)]


@train
def test_parts_of_a_step_learn_what_the_whole_step_does(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from safetensors.numpy import load_file

    from inhouse.train import stream

    base = tiny_llama(tmp_path / "base")
    masked = {DATA: repeated(tmp_path / "masked", mask=True)}
    found = []
    for most in (LENGTH, 4 * LENGTH):
        monkeypatch.setattr(stream, "MOST_SCORES", most * VOCABULARY)
        work = tmp_path / str(most)
        told = trained(FULL, base, masked, work).summary
        found.append((load_file(work / WEIGHTS), told["last_loss"]))
    (one, one_loss), (other, other_loss) = found
    assert abs(one_loss - other_loss) < 1e-3
    assert all(np.allclose(one[name], other[name], atol=2e-4) for name in one)


@train
def test_a_loss_that_is_no_number_stops_the_run(
    base: Path, sources: dict[str, Path], tmp_path: Path
):
    with pytest.raises(BadInput, match=r"no number any more in step \d+ \(data/notes\)\. Lower"):
        trained(replace(FULL, rate=1e30), base, sources, tmp_path / "work")


def test_a_loss_that_goes_up_and_stays_there_stops_the_run():
    def noted(losses: list[float]) -> None:
        curves = Curves(["a", "b"])
        for step, loss in enumerate(losses, 1):
            curves.add({"step": step, "loss": loss}, {"a": 1.0, "b": loss})

    noted([2.0] * MANY + [9.0] + [2.0] * MANY)
    noted([0.1] * MANY + [0.4] * FEW)
    with pytest.raises(BadInput, match=r"from 2\.00 to 6\.00 and stays there \(step 25, b\)"):
        noted([2.0] * MANY + [6.0] * FEW)


def batch(
    tokens: list[list[int]], loss: list[list[int]] | None, positions: list[list[int]] | None
) -> Batch:
    rows = np.zeros(len(tokens), np.int64)
    mask = None if loss is None else np.array(loss, bool)
    places = None if positions is None else np.array(positions)
    return Batch(np.array(tokens), mask, places, source=rows, window=rows)


def test_each_token_is_said_from_the_one_before_it():
    no = UNLEARNT
    assert targets_of(batch([[5, 6, 7, 8]], None, None)).tolist() == [[6, 7, 8, no]]
    masked = batch([[5, 6, 7, 8]], [[0, 0, 1, 0]], None)
    assert targets_of(masked).tolist() == [[no, 7, no, no]]
    packed = batch([[5, 6, 7, 8]], None, [[0, 1, 0, 1]])
    assert targets_of(packed).tolist() == [[6, no, 8, no]]


def test_a_batch_of_which_nothing_is_learnt_is_refused():
    with pytest.raises(BadInput, match="nothing to learn: every token in it is masked"):
        parts_of(batch([[5, 6], [7, 8]], [[1, 0], [1, 0]], None), rows=1)


@train
def test_masked_tokens_carry_no_gradient_and_packed_texts_do_not_see_one_another(tmp_path: Path):
    import torch

    from inhouse.train.language_model import load_model
    from inhouse.train.losses import losses_of, tensors_of

    model = load_model(tiny_llama(tmp_path / "base")).eval()
    first, second = [5, 6, 7, 8], [9, 10, 11, 12, 13]
    tokens, positions = [[*first, *second]], [[0, 1, 2, 3, 0, 1, 2, 3, 4]]
    found = losses_of(model, tensors_of(parts_of(batch(tokens, None, positions), rows=1)[0]))
    alone = losses_of(model, tensors_of(parts_of(batch([second], None, None), rows=1)[0]))
    assert torch.allclose(found[0, 4:], alone[0], atol=1e-4)
    assert found[0, 3] == 0
    loss = [[0, 0, 1, 0]]
    grads = []
    for last in (8, 30):  # what stands behind the only token that is learnt makes no difference
        model.zero_grad()
        losses_of(
            model, tensors_of(parts_of(batch([[5, 6, 7, last]], loss, None), rows=1)[0])
        ).sum().backward()
        grads.append(model.model.layers[0].mlp.up_proj.weight.grad.clone())
    assert torch.equal(*grads)
    assert grads[0].abs().max() > 0


@train
def test_two_rows_of_packed_texts_do_not_see_one_another(tmp_path: Path):
    import torch

    from inhouse.train.language_model import load_model
    from inhouse.train.losses import losses_of, tensors_of

    model = load_model(tiny_llama(tmp_path / "base")).eval()
    rows = [[5, 6, 7, 9, 10, 11], [1, 2, 9, 10, 11, 3]]
    positions = [[0, 1, 2, 0, 1, 2], [0, 1, 0, 1, 2, 0]]
    found = losses_of(model, tensors_of(parts_of(batch(rows, None, positions), rows=2)[0]))
    assert torch.allclose(found[0, 3:5], found[1, 2:4], atol=1e-4)


def test_the_end_of_a_source_is_kept_out(tmp_path: Path):
    tokens = Tokens(repeated(tmp_path / "notes"))
    parts = parted(DATA, tokens, length=LENGTH)
    assert (parts.learnt.windows(LENGTH), parts.held.windows(LENGTH)) == (55, 6)  # a tenth
    assert parts.held.ids.tolist() == tokens.ids[55 * LENGTH : 61 * LENGTH].tolist()
    assert parts.learnt.ends[-1] == 55 * LENGTH
    assert next(parts.learnt.names()) == ("0.md", "0" * 64)
    (tmp_path / "short").mkdir()
    rows = [Tokenised("a", "", np.arange(40))]
    write_tokens(tmp_path / "short", about(), rows)
    with pytest.raises(BadInput, match="too few to learn from some and measure on others"):
        parted(DATA, Tokens(tmp_path / "short"), length=LENGTH)


def test_chats_are_kept_out_whole(tmp_path: Path):
    draw = np.random.default_rng(0)
    sizes = draw.integers(5, 60, 50)
    rows = [Tokenised(str(n), "", np.ones(size, int)) for n, size in enumerate(sizes)]
    write_tokens(tmp_path, about(chats=True), rows)
    tokens = Tokens(tmp_path)
    parts = parted(DATA, tokens, length=LENGTH)
    border = len(parts.learnt.ids)
    assert border in tokens.ends
    assert border + len(parts.held.ids) == len(tokens.ids)
    assert len(parts.held.ids) >= LENGTH
    assert parts.held.ends.tolist() == (tokens.ends[tokens.ends > border] - border).tolist()


def test_a_damaged_checkpoint_does_not_count(tmp_path: Path):
    assert newest(tmp_path / "none") is None
    for step in (1, 2, 3):
        commit(tmp_path, step, lambda folder: (folder / "file").write_bytes(b"whole") and None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-2", "step-3"]
    (tmp_path / "step-4.part").mkdir()
    (tmp_path / "step-3" / "file").write_bytes(b"other")
    found = newest(tmp_path)
    assert found is not None
    assert found.step == 2


@train
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "instruct"}, "hold no chats"),
        ({"length": 65}, "reads 64 tokens at most"),
    ],
)
def test_what_does_not_fit_is_refused(
    base: Path, sources: dict[str, Path], tmp_path: Path, change: dict[str, object], message: str
):
    with pytest.raises(BadInput, match=message):
        trained(replace(FULL, **change), base, sources, tmp_path / "work")


@train
@pytest.mark.parametrize("name", ["tokenizer.json", TEMPLATE])
def test_tokens_of_another_spelling_are_refused(tmp_path: Path, name: str):
    base, chats = tiny_llama(tmp_path / "base"), {DATA: talks(tmp_path / "talks")}
    (base / name).write_bytes((base / name).read_bytes() + b" ")
    with pytest.raises(BadInput, match="was tokenised for another model than models/tiny"):
        trained(replace(FULL, method="instruct"), base, chats, tmp_path / "work")


@train
@pytest.mark.weights
def test_a_base_that_is_gguf_is_read_as_it_is(weights_store: Path):
    import torch

    from inhouse.catalog import Catalog
    from inhouse.core.artifact import Ref
    from inhouse.models.chat_format import load_tokenizer
    from inhouse.train.language_model import load_model
    from inhouse.train.losses import losses_of, tensors_of

    catalog = Catalog(weights_store / ".inhouse")
    try:
        folder = catalog.load(Ref.parse("models/base")).folder
    finally:
        catalog.close()
    assert (folder / "model.gguf").is_file()
    text = "The capital of France is Paris, and the capital of Italy is Rome."
    ids = load_tokenizer(folder).encode(text).ids
    with torch.inference_mode():
        model = load_model(folder).eval()
        part = parts_of(batch([ids], None, None), rows=1)[0]
        loss = losses_of(model, tensors_of(part)).sum() / part.learnt
    assert loss < 2.5
