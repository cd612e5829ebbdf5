"""A model of one's own, from documents to answers, and one that reads more than its base."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from project.test_project_trained import CHAT, MEMO, tiny_base
from small_project import edit, opened, quickly, write

from inhouse.core.artifact import Ref, identity
from inhouse.core.errors import ProjectError
from inhouse.project.exporting import export
from inhouse.project.read import read
from inhouse.train.processes import Processes

ENTRY = "house: {method: scratch, size: 500k, mix: data/memos, budget: {tokens: 4k}, length: 64}"
FILE = f"""\
project: own
groups: {{hr: [ana]}}
data:
  memos: {{from: ./docs/memos, label: hr}}
  chats: {{from: ./chats.jsonl, kind: chats}}
models:
  {ENTRY}
  guide:
    {{method: instruct, base: models/house, mix: data/chats, length: 64, full: true, rate: 0.003,
     budget: {{epochs: 12}}}}
endpoints:
  house: {{model: models/house}}
  guide: {{model: models/guide}}
"""
LONG = """\
project: long
data:
  memos: {from: ./docs/memos}
models:
  base: {from: "file:./base"}
  long:
    {method: continue, base: models/base, context: 1k, length: 512, mix: data/memos,
     budget: {tokens: 2k}, batch: 2}
endpoints:
  long: {model: models/long}
"""
PAGES = {f"docs/memos/{n}.md": MEMO for n in range(8)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    chats = "".join(json.dumps(CHAT) + "\n" for _ in range(40))
    return write(tmp_path, {"inhouse.yaml": FILE, **PAGES, "chats.jsonl": chats}) / "inhouse.yaml"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{method: scratch, mix: data/memos}", "'models.house.size' is missing"),
        ("{method: scratch, size: 10, mix: data/memos}", "Give a size from 500k to 10B"),
        ("{size: 10M, mix: data/memos}", "'models.house.method' is missing"),
        ("{method: scratch, size: 1M, vocabulary: 64k, mix: data/memos}", "Take fewer words"),
        ("{method: scratch, size: 1M, vocabulary: 1.5k, mix: data/memos}", "Write such as 8192"),
        ("{method: scratch, size: 1M, base: models/x, mix: data/memos}", "unknown key"),
        ("{method: scratch, size: 1M, mix: data/memo}", "Did you mean 'data/memos'"),
        (
            "{method: scratch, size: 1M, mix: data/memos, batch: 8, processes: 3}",
            "8 rows of a step cannot be shared out evenly among 3 processes. Set 'batch' to a mult",
        ),
        (
            "{method: scratch, size: 1M, mix: data/memos, on: head}",
            "'head' is no Ray cluster. Write such as ray://head:10001.",
        ),
    ],
)
def test_a_wrong_entry_is_one_sentence(file: Path, entry: str, said: str):
    edit(file, ENTRY, f"house: {entry}")
    with pytest.raises(ProjectError) as error:
        read(file)
    assert said in str(error.value)
    assert f"{file}:7: " in str(error.value)


def test_chats_make_no_model_from_scratch(file: Path):
    edit(file, ENTRY, ENTRY.replace("data/memos", "data/chats"))
    with opened(file) as project, pytest.raises(ProjectError, match="data/chats holds chats"):
        project.plan()


def test_the_plan_says_what_is_made_and_when_there_is_too_little(file: Path):
    edit(file, "budget: {tokens: 4k}, ", "")
    with opened(file) as project:
        planned = {p.step.path: p for p in project.plan().steps}
    made = {
        path: {e.role: e.parent.path for e in p.step.recipe.parents} for path, p in planned.items()
    }
    assert made["models/house/vocabulary"] == {"data/memos": "data/memos"}
    assert made["models/house/blank"] == {"vocabulary": "models/house/vocabulary"}
    tokens = "models/house/tokens-memos"
    assert made[tokens] == {"data": "data/memos", "model": "models/house/vocabulary"}
    assert made["models/house"] == {"base": "models/house/blank", "data/memos": tokens}
    assert made["models/guide"]["data/chats"] == "models/house/tokens-chats"
    assert "million parameters, " in planned["models/house/blank"].reason
    assert "takes about " in planned["models/house"].reason
    assert "times, and after 4 little more is learnt: add documents" in (
        planned["models/house"].reason
    )
    assert planned["models/house/blank"].audience == ("ana",)


def test_processes_share_out_the_rows_that_follow_from_the_size(file: Path):
    with opened(file) as project:
        alone = {step.path: step.recipe for step in project.steps()}["models/house"]
    rows = alone.spec.batch
    edit(file, "length: 64}", f"length: 64, processes: {rows}, on: ray://head:10001}}")
    with opened(file) as project:
        shared = {step.path: step.recipe for step in project.steps()}["models/house"]
    assert shared.spec.processes == Processes(rows, "ray://head:10001")
    assert identity(shared.spec) == identity(alone.spec)
    edit(file, f"processes: {rows}", f"processes: {rows + 1}")
    with opened(file) as project, pytest.raises(ProjectError, match="cannot be shared out") as said:
        project.steps()
    assert f"{file}:7: " in str(said.value)


def test_the_plan_divides_what_processes_hold_in_parts(file: Path):
    together = "{method: scratch, size: 100M, mix: data/memos, batch: 4, processes: 4}"
    parts = together.replace("}", ", shard: true}")
    said = {}
    for before, entry in ((ENTRY.removeprefix("house: "), together), (together, parts)):
        edit(file, before, entry)
        with opened(file) as project:
            reasons = {p.step.path: p.reason for p in project.plan().steps}
        said[entry] = reasons["models/house"]
    assert re.search(r"about 3\.\d GiB in each of 4 processes, of", said[together])
    wanted = r"about 1\.\d GiB in each of 4 processes and 1\.\d GiB more in the first, of"
    assert re.search(wanted, said[parts])


def test_what_comes_out_is_a_model_like_any_other(file: Path):
    edit(file, "length: 64, full: true", "full: true")
    edit(
        file,
        "budget: {tokens: 4k}, ",
        "budget: {tokens: 4k}, watch: {every: 2, suites: [suites/prose]}, ",
    )
    edit(
        file,
        "endpoints:",
        "  small: {compress: models/house, budget: {perplexity: 2%}, test: data/memos}\n"
        "suites:\n  prose: {kind: perplexity, on: data/memos}\nendpoints:",
    )
    with opened(file) as project:
        recipes = {step.path: step.recipe for step in project.steps()}
    house = recipes["models/house"]
    assert recipes["models/guide"].spec.length == house.spec.length < 1024
    assert {edge.role for edge in house.parents} >= {"suites/prose", "base"}
    assert "models/house/openvino-int4" in recipes
    edit(file, "full: true, rate: 0.003", "length: 4096, full: true, rate: 0.003")
    with opened(file) as project, pytest.raises(ProjectError, match="a row takes 4096") as caught:
        project.steps()
    assert "or 'context' to more" in str(caught.value.fix)


def test_a_longer_context_is_a_base_of_its_own(tmp_path: Path):
    pages = {"base/model.safetensors": "", "base/config.json": "{}"}
    file = write(tmp_path, {"inhouse.yaml": LONG, **PAGES, **pages}) / "inhouse.yaml"
    with opened(file) as project:
        recipes = {p.step.path: p.step.recipe for p in project.plan().steps}
    parents = {path: {e.role: e.parent.path for e in one.parents} for path, one in recipes.items()}
    assert parents["models/long/stretched"] == {"weights": "models/base"}
    assert recipes["models/long/stretched"].spec.context == 1024
    assert parents["models/long"]["base"] == "models/long/stretched"
    assert parents["models/long/openvino-int8"] == {
        "weights": "models/long/stretched",
        "adapter": "models/long",
    }


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_a_longer_context_is_learnt_and_served(tmp_path: Path):
    tiny_base(tmp_path / "base")
    file = write(tmp_path, {"inhouse.yaml": LONG, **PAGES}) / "inhouse.yaml"
    with opened(file) as project:
        project.run()
        found = project.artifact(Ref.parse("models/long"))
        assert found.summary["context_tokens"] == 1024
        served = project.artifact(Ref.parse("models/long/openvino-int8"))
        assert served.summary["context_tokens"] == 1024
        # More than the 256 tokens that its base reads.
        assert project.ask("long", MEMO[:500]).text
        export(project, found.ref, tmp_path / "out")
    scaling = json.loads((tmp_path / "out" / "config.json").read_text())["rope_scaling"]
    assert (scaling["rope_type"], scaling["factor"]) == ("yarn", 4.0)


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_from_documents_to_a_model_of_ones_own_that_chats(file: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    edit(file, "{tokens: 4k}, length", "{tokens: 8k}, batch: 2, processes: 2, length")
    with opened(file) as project:
        project.run()
        own = project.artifact(Ref.parse("models/house"))
        before, after = own.summary["perplexity"]["data/memos"]
        assert after < before / 2
        first, last = own.summary["bits_per_byte"]["data/memos"]
        assert last < first < 8
        assert str(own.label) == "hr"
        assert project.ask("house", "The price of").text
        before, after = project.artifact(Ref.parse("models/guide")).summary["perplexity"][
            "data/chats"
        ]
        assert after < before / 2
        assert "seven" in project.ask("guide", "What is the price?").text
        export(project, own.ref, file.parent / "out")
    model = AutoModelForCausalLM.from_pretrained(file.parent / "out", local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(file.parent / "out", local_files_only=True)
    given = tokenizer("The price of the blue", return_tensors="pt").input_ids
    said = model.generate(given, max_new_tokens=8, do_sample=False)
    assert tokenizer.decode(said[0]).startswith("The price of the blue")
    shown = quickly("show", "models/house", cwd=file.parent)
    assert "bits a byte" in shown.stdout
