"""Language models that learnt from data sets: their entries, their place, and their way out."""

from __future__ import annotations

import gzip
import json
import os
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from models.test_text_stream import byte_tokenizer
from small_project import edit, opened, quickly, write

from inhouse.catalog import Catalog
from inhouse.core.artifact import Ref
from inhouse.core.errors import BadInput, ProjectError, Refused
from inhouse.models.gguf_file import GgufFile
from inhouse.models.weights import open_weights
from inhouse.project.exporting import export
from inhouse.project.fitting import fit
from inhouse.project.learnt import curves
from inhouse.project.read import read

ENTRY = (
    "analyst: {method: continue, base: models/base, mix: {data/memos: 0.7, data/pay: 0.3}, "
    "budget: {tokens: 2k}, rate: 0.01, length: 64, batch: 2}"
)
FILE = f"""\
project: trained
groups: {{staff: [ana, bo], hr: [ana]}}
data:
  memos: {{from: ./docs/memos}}
  pay: {{from: ./docs/pay, label: hr}}
  chats: {{from: ./chats.jsonl, kind: chats}}
models:
  base: {{from: "file:./base"}}
  {ENTRY}
endpoints:
  desk: {{model: models/base}}
  analyst: {{model: models/analyst}}
"""
MEMO = "# Memo\n\nThe price of the blue book is seven, and that of the red one is nine.\n" * 12
PAGES = {
    "inhouse.yaml": FILE,
    **{f"docs/{folder}/{n}.md": MEMO for folder in ("memos", "pay") for n in range(4)},
}
CHAT = {
    "messages": [
        {"role": "user", "content": "What is the price?"},
        {"role": "assistant", "content": "It is seven."},
    ]
}
# What is planned is not opened.
NO_BASE = {"base/model.safetensors": "", "base/config.json": "{}"}
SIZES = {
    "vocab_size": 260,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "eos_token_id": 256,
    "bos_token_id": None,
}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_base(folder: Path) -> Path:
    """Write a random model that reads bytes, as somebody might have saved it."""
    import torch
    from tokenizers import AddedToken
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(11)
    LlamaForCausalLM(LlamaConfig(**SIZES)).save_pretrained(folder)
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True) for text in ("<|im_end|>", "<|im_start|>", "<|endoftext|>")]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    chats = "".join(json.dumps(CHAT) + "\n" for _ in range(40))
    return write(tmp_path, {**PAGES, "chats.jsonl": chats}) / "inhouse.yaml"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "{method: contnue, base: models/base, mix: data/memos}",
            "'contnue'. Did you mean 'continue'",
        ),
        (
            "{method: 7, base: models/base, mix: data/memos}",
            "Write one of embed, scratch, continue, instruct",
        ),
        ("{base: models/base, mix: data/memos}", "'models.analyst.method' is missing"),
        ("{method: continue, base: models/base}", "is a 'mix', or 'stages' that each have one"),
        (
            "{method: continue, base: models/base, on: data/memos}",
            "'data/memos' is no Ray cluster",
        ),
        ("{method: continue, base: models/bse, mix: data/memos}", "Did you mean 'models/base'"),
        ("{method: continue, base: models/base, mix: data/memo}", "Did you mean 'data/memos'"),
        (
            "{method: continue, base: models/base, mix: memos}",
            "'memos' is no data set. Write data/",
        ),
        ("{method: continue, base: models/base, mix: []}", "at least 1 should stand here"),
        ("{method: continue, base: models/base, mix: [data/pay, data/pay]}", "stands here twice"),
        (
            "{method: continue, base: models/base, mix: {data/pay: 0}}",
            "should be more than 0, not 0",
        ),
        ("{method: continue, base: models/base, mix: {data/pay: }}", "'data/pay' has no weight"),
        ("{method: continue, base: models/base, mix: {data/pay: much}}", "a number should stand"),
        ("{method: continue, base: models/base, mix: data/pay, budget: {}}", "either a number of"),
        (
            "{method: continue, base: models/base, mix: data/pay, budget: {tokens: 2MB}}",
            "'2MB' is no number of tokens. Write such as 500k, 2M or 1.5B.",
        ),
        (
            "{method: continue, base: models/base, mix: data/pay, lora: 8, full: true}",
            "Take 'full' or 'lora' out",
        ),
        (
            "{method: continue, base: models/base, mix: data/pay, processes: 3}",
            "8 rows of a step cannot be shared out evenly among 3 processes. Set 'batch' to a mult",
        ),
        (
            "{method: continue, base: models/base, mix: data/pay, on: head}",
            "'head' is no Ray cluster. Write such as ray://head:10001.",
        ),
        (
            "{method: prefer, base: models/base, mix: data/pay, shard: true}",
            "learnt by one process. Take 'processes', 'on' and 'shard' out.",
        ),
        ("{method: continue, base: models/analyst, mix: data/pay}", "go in a circle"),
        (
            "{method: continue, base: models/base, mix: data/pay, beta: 0.2}",
            "only 'method: prefer' has a beta. Take it out.",
        ),
    ],
)
def test_a_wrong_entry_is_one_sentence(file: Path, entry: str, said: str):
    edit(file, ENTRY, f"analyst: {entry}")
    with pytest.raises(ProjectError) as error:
        read(file)
    assert said in str(error.value)
    assert f"{file}:9: " in str(error.value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "{method: continue, base: models/base, mix: data/chats}",
            "data/chats holds chats, and 'method: continue' learns from documents. Use method: in",
        ),
        (
            "{method: instruct, base: models/base, mix: [data/memos, data/pay]}",
            "data/memos and data/pay hold documents, and 'method: instruct' learns from chats.",
        ),
        (
            "{method: prefer, base: models/base, mix: data/chats}",
            "holds chats, and 'method: prefer' learns from preferences. Use method: instruct.",
        ),
    ],
)
def test_rows_that_the_method_cannot_learn_from(file: Path, entry: str, said: str):
    edit(file, ENTRY, f"analyst: {entry}")
    write(file.parent, NO_BASE)
    with opened(file) as project, pytest.raises(ProjectError) as error:
        project.plan()
    assert said in str(error.value)


def test_tokens_of_two_data_sets_have_two_names(file: Path):
    split = (
        "  a: {from: data/pay, steps: [{split: {train: .5, test: .5}}]}\n"
        "  a--train: {from: data/pay, steps: [{sample: 5}]}\n"
    )
    edit(file, "data:\n", f"data:\n{split}")
    entry = "{method: continue, base: models/base, mix: [data/a--train, data/a/train]}"
    edit(file, ENTRY, f"analyst: {entry}")
    write(file.parent, NO_BASE)
    with opened(file) as project, pytest.raises(ProjectError) as error:
        project.plan()
    assert "the tokens of data/a--train and of data/a/train would share a name" in str(error.value)


def test_an_embedder_is_no_base_of_what_writes(file: Path):
    edit(file, '"file:./base"', "minilm-l6")
    with pytest.raises(ProjectError, match="is an embedder, and a language model is wanted here"):
        read(file)


def test_the_plan_says_what_is_made_and_for_whom(file: Path):
    write(file.parent, NO_BASE)
    more = "second: {method: instruct, base: models/analyst, mix: data/chats, full: true}"
    edit(file, ENTRY, f"{ENTRY}\n  {more}")
    edit(file, "{model: models/analyst}", "{model: models/second}")
    with opened(file) as project:
        planned = {p.step.path: p for p in project.plan().steps}
    made = {
        path: {e.role: e.parent.path for e in p.step.recipe.parents}
        for path, p in planned.items()
        if path.startswith("models/")
    }
    assert made["models/base/tokens-pay"] == {"data": "data/pay", "model": "models/base"}
    assert made["models/analyst"] == {
        "base": "models/base",
        "data/memos": "models/base/tokens-memos",
        "data/pay": "models/base/tokens-pay",
    }
    # An adapter of an adapter: the first one is merged, and the second begins there.
    merged = {"weights": "models/base", "adapter": "models/analyst"}
    assert made["models/analyst/transformers"] == merged
    assert made["models/second"]["base"] == "models/analyst/transformers"
    assert made["models/second"]["data/chats"] == "models/base/tokens-chats"
    assert made["models/second/openvino-int8"] == {"weights": "models/second"}
    assert planned["models/base/tokens-memos"].audience is None
    assert planned["models/second/openvino-int8"].audience == ("ana",)
    assert planned["endpoints/analyst"].step.demand == "hr"


def test_it_is_made_not_pulled(file: Path):
    with opened(file) as project, pytest.raises(BadInput, match="inhouse run models/analyst"):
        project.pull("analyst")


@pytest.mark.train
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_from_documents_to_a_model_that_answers_and_leaves(file: Path):
    folder = file.parent
    tiny_base(folder / "base")
    with opened(file) as project:
        project.run("models/base")
        planned = {p.step.path: p.reason for p in project.plan().steps}
        assert "; takes about 0.6 GiB of " in planned["models/analyst"]
        project.run()
        tuned = project.artifact(Ref.parse("models/analyst"))
        assert tuned.summary["kind"] == "adapter"
        assert set(tuned.summary["shares"]) == {"data/memos", "data/pay"}
        known = next(p.step for p in project.plan().steps if p.step.path == "models/analyst")
        again = replace(known.recipe, spec=replace(known.recipe.spec, tokens=10**9))
        assert fit(again, project.catalog, {}).endswith(" h at the pace of the last run")
        whole = replace(again, spec=replace(again.spec, lora=0))
        assert "pace" not in fit(whole, project.catalog, {})
        served = project.artifact(Ref.parse("endpoints/analyst"))
        (form,) = (edge.parent for edge in served.parents)
        merged = {edge.role: edge.parent for edge in project.artifact(form).parents}
        assert merged["adapter"] == tuned.ref
        assert str(served.label) == "hr"
        answers = {name: project.ask(name, "What is it?").text for name in ("desk", "analyst")}
        assert answers["desk"] != answers["analyst"]
        with pytest.raises(Refused, match="carries hr, inherited from data/pay"):
            project.ask("analyst", "What is it?", actor="bo")
        done = export(project, tuned.ref, folder / "out")
        assert str(done.label) == "hr"
        assert "seen.parquet" not in (folder / "out" / "README.md").read_text()
        export(project, tuned.ref, folder / "gguf", "gguf", "f32")
        for wrong in ("q2_k", "int8"):
            with pytest.raises(BadInput, match=f"{wrong!r} is no precision"):
                export(project, tuned.ref, folder / "q2", "gguf", wrong)
        with pytest.raises(BadInput, match="changes nothing in the format hf"):
            export(project, tuned.ref, folder / "q2", "hf", "f16")
        with pytest.raises(BadInput, match="holds something already"):
            export(project, tuned.ref, folder / "out")
    with opened(file, "bo") as project:
        with pytest.raises(Refused, match="carries hr"):
            export(project, tuned.ref, folder / "other")
        with pytest.raises(Refused, match="carries hr"):
            curves(project, tuned)
        assert not (folder / "other").exists()
        # Both forms were built of the weights of the base, and one of them is closed to bo.
        plain = export(project, Ref.parse("models/base"), folder / "plain", "openvino")
        (form,) = (
            a for a in project.catalog.list() if a.ref.path.startswith("models/base/openvino")
        )
        weights = (folder / "plain" / "openvino_model.bin").read_bytes()
        assert str(plain.label) == "open"
        assert (
            weights == (project.catalog.load(form.ref).folder / "openvino_model.bin").read_bytes()
        )
    check_logits(folder, Catalog(folder / ".inhouse"))
    check_the_gguf_file(folder)
    check_the_program(folder)


def check_logits(folder: Path, catalog: Catalog) -> None:
    """The exported weights say what the base says with the adapter beside it."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    adapter = catalog.load(Ref.parse("models/analyst")).folder
    catalog.close()
    base = AutoModelForCausalLM.from_pretrained(folder / "base", local_files_only=True)
    exported = AutoModelForCausalLM.from_pretrained(folder / "out", local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder / "out", local_files_only=True)
    tokens = tokenizer("The price of the blue book", return_tensors="pt").input_ids
    with torch_inference():
        before = base.eval()(tokens).logits
        found = exported.eval()(tokens).logits
        wanted = PeftModel.from_pretrained(base, adapter).eval()(tokens).logits
    assert (found - wanted).abs().max() < 1e-4
    assert (found - before).abs().max() > 1e-2


def check_the_gguf_file(folder: Path) -> None:
    """It holds the same weights, and words and template with them."""
    assert set(os.listdir(folder / "gguf")) == {
        *("model.gguf", "labels.json", "README.md", "curves.parquet")
    }
    found, wanted = open_weights(folder / "gguf"), open_weights(folder / "out")
    for name in found.names:
        np.testing.assert_array_equal(found.take(name), wanted.take(name))
    said = GgufFile(folder / "gguf" / "model.gguf").metadata
    assert said["tokenizer.ggml.eos_token_id"] == 256
    assert said["tokenizer.chat_template"] == TEMPLATE
    assert said["general.name"] == "analyst"


def torch_inference() -> AbstractContextManager[None]:
    import torch

    return torch.inference_mode()


def check_the_program(folder: Path) -> None:
    shown = quickly("show", "models/analyst", "--curves", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    for said in ("learnt from", "perplexity before", "loss data/pay: ", "step 16", "└──"):
        assert said in shown.stdout
    plain = json.loads(quickly("show", "models/analyst", "--curves", "--json", cwd=folder).stdout)
    assert plain["curves"]["step"] == list(range(17))
    assert plain["curves"]["loss"][0] is None
    assert plain["summary"]["shares"]["data/memos"] > plain["summary"]["shares"]["data/pay"]
    closed = quickly("show", "models/analyst", cwd=folder, INHOUSE_ACTOR="bo")
    assert "learnt from" not in closed.stdout
    why = quickly("why", "endpoints/analyst", "--actor", "bo", cwd=folder)
    assert "hr" in why.stdout
    assert "data/pay" in why.stdout
    words = ("export", "models/analyst", "ov", "--format", "openvino", "--json")
    done = quickly(*words, cwd=folder)
    assert json.loads(done.stdout)["label"] == "hr", done.stderr
    assert {"openvino_model.xml", "labels.json", "README.md"} <= set(os.listdir(folder / "ov"))
    labels = json.loads((folder / "ov" / "labels.json").read_text())
    assert {"data/pay": "hr", "data/memos": "open"}.items() <= {
        one["ref"].partition("@")[0]: one["label"] for one in labels["made_from"]
    }.items()
    pickle = quickly("export", "models/analyst", "pickle", "--format", "pickle", cwd=folder)
    assert "'pickle' is no format of an export" in pickle.stderr
    assert not (folder / "pickle").exists()
    onnx = quickly("export", "models/analyst", "onnx", "--format", "onnx", cwd=folder)
    assert "no embedder, and no classifier" in onnx.stderr


PREFER = """\
project: preferring
groups: {staff: [ana]}
data:
  pairs: {from: ./pairs.jsonl, label: staff}
  thumbs: {from: ./thumbs.csv}
models:
  base: {from: "file:./base"}
  tuned: {method: prefer, base: models/base, mix: data/pairs, length: 128, batch: 2, rate: 0.01}
  nicer: {method: prefer, base: models/tuned, mix: [data/pairs, data/thumbs], beta: 0.2,
          budget: {epochs: 0.5}, length: 128, batch: 2, full: true}
endpoints:
  desk: {model: models/nicer}
"""


@pytest.mark.train
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_from_what_people_prefer_to_a_model_that_answers(tmp_path: Path):
    pairs = [
        {"prompt": f"Is {n} much?", "chosen": f"Yes, {n} is.", "rejected": "No idea, go away!"}
        for n in range(60)
    ]
    thumbs = [f"Is {n} few?,{said}" for n in range(30) for said in ("Yes.,good", "Go away!,bad")]
    files = {
        "inhouse.yaml": PREFER,
        "pairs.jsonl": "".join(json.dumps(pair) + "\n" for pair in pairs),
        "thumbs.csv": "\n".join(["prompt,answer,thumb", *thumbs]) + "\n",
    }
    file = write(tmp_path, files) / "inhouse.yaml"
    tiny_base(tmp_path / "base")
    with opened(file) as project:
        project.run()
        tuned, nicer = (project.artifact(Ref.parse(f"models/{n}")) for n in ("tuned", "nicer"))
        assert (tuned.summary["kind"], tuned.summary["loss"]) == ("adapter", "dpo")
        assert tuned.summary["held"]["data/pairs"]["accuracy"] == [0.5, 1.0]
        assert (nicer.summary["kind"], nicer.summary["loss"]) == ("language", "kto")
        assert set(nicer.summary["held"]) == {"data/pairs", "data/thumbs"}
        assert str(nicer.label) == "staff"
        assert project.ask("desk", "Is 7 much?").text
    shown = quickly("show", "models/tuned", "--curves", cwd=tmp_path)
    assert "accuracy before" in shown.stdout, shown.stderr


REAL = """\
project: real
data: {peps: {from: ./peps}}
models:
  base: {from: smollm2-135m-instruct}
  analyst:
    {method: continue, base: models/base, mix: data/peps, budget: {tokens: 4k}, length: 256}
endpoints: {analyst: {model: models/analyst}}
"""


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.weights
@pytest.mark.data
def test_a_real_model_knows_its_documents_better(tmp_path: Path):
    kept = os.environ.get("INHOUSE_DATA")
    if not kept:
        pytest.skip("INHOUSE_DATA names no folder with peps")
    with gzip.open(Path(kept, "peps", "peps.jsonl.gz"), "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, 20)]
    pages = {f"peps/{place}.md": text[:4000] for place, text in enumerate(texts)}
    file = write(tmp_path, {"inhouse.yaml": REAL, **pages}) / "inhouse.yaml"
    with opened(file) as project:
        project.run("models/base")
        planned = {p.step.path: p for p in project.plan().steps}
        assert "takes about" in planned["models/analyst"].reason
        project.run()
        summary = project.artifact(Ref.parse("models/analyst")).summary
        before, after = summary["perplexity"]["data/peps"]
        assert after < before
        assert project.ask("analyst", "What is a PEP?").text
