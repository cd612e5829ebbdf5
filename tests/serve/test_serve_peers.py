"""Programs of others, unmodified, against `inhouse serve` with a real model."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pytest
from bench.harness.peer import LM_EVAL, program
from served_process import Served, serving
from small_project import copied, opened, write

from inhouse.core.protocols import Sampling
from inhouse.core.stage import silent
from inhouse.evaluate.examining import examiner
from inhouse.evaluate.papers import Choice
from inhouse.models.examined import LocalExamined
from inhouse.models.load import load_language

pytestmark = pytest.mark.weights

PROJECT = """\
project: peers
models: {base: {from: smollm2-135m-instruct}}
endpoints: {base: {model: models/base}}
"""
SCHEMA = {
    "title": "person",
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
CHOICES = """\
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: "FOLDER/capitals.json"}}
test_split: test
output_type: multiple_choice
doc_to_text: "The capital of {{land}} is"
doc_to_choice: ["Paris", "Rome", "Lima"]
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
WRITTEN = """\
task: goes_on
dataset_path: json
dataset_kwargs: {data_files: {test: "FOLDER/capitals.json"}}
test_split: test
output_type: generate_until
doc_to_text: "The capital of {{land}} is"
doc_to_target: ""
generation_kwargs: {until: ["\\n"], max_gen_toks: 8, temperature: 0}
metric_list: [{metric: exact_match}]
"""
NAMES = ("Paris", "Rome", "Lima")
LANDS = (
    {"land": "France", "answer": 0},
    {"land": "Italy", "answer": 1},
    {"land": "the people of Peru", "answer": 2},
)


@pytest.fixture(scope="module")
def served(weights_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("peers")
    copied(weights_store / ".inhouse", folder / ".inhouse")
    write(folder, {"inhouse.yaml": PROJECT})
    with opened(folder / "inhouse.yaml") as project:
        project.run()
    with serving(folder / "inhouse.yaml") as found:
        yield found


def chat_of(served: Served, key: str = "") -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model="base",
        base_url=f"http://127.0.0.1:{served.port}/v1",
        api_key=key or served.key,
        temperature=0,
        max_tokens=40,
        max_retries=0,
        stream_usage=True,
    )


def test_langchain_asks_streams_and_keeps_to_forms(served: Served) -> None:
    chat = chat_of(served)
    said = chat.invoke("Say hello.")
    assert said.content
    usage = said.usage_metadata
    assert usage["input_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]

    pieces = list(chat.stream("Say hello."))
    assert len(pieces) > 2
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole.content == said.content
    assert whole.usage_metadata["output_tokens"] == usage["output_tokens"]

    both = chat.batch(["Say hello.", "Name a colour."])
    assert both[0].content == said.content
    assert both[1].content

    person = chat.with_structured_output(SCHEMA, method="json_schema").invoke("Invent a person.")
    assert person.keys() == {"name", "age"}
    assert isinstance(person["age"], int)


def test_langchain_tells_of_a_wrong_key(served: Served) -> None:
    with pytest.raises(openai.AuthenticationError):
        chat_of(served, "ih-wrong").invoke("hi")


@pytest.mark.slow
async def test_lm_eval_scores_as_the_model_does(
    served: Served, smollm_folder: Path, tmp_path: Path
) -> None:
    python = program(LM_EVAL.folder, "python")
    if not python.is_file():
        pytest.skip(f"no {LM_EVAL.title}: `make lm-eval` makes it an environment of its own")
    samples = evaluated(python, served, smollm_folder, tmp_path)
    marks = await asyncio.to_thread(marked, smollm_folder)
    assert marks == [{"right": it["acc"], "even": it["acc_norm"]} for it in samples["capitals"]]

    model = load_language(smollm_folder, name="smol", threads=2)
    try:
        greedy = Sampling(max_tokens=8, temperature=0, stop=("\n",))
        for found, land in zip(samples["capitals"], LANDS, strict=True):
            context = f"The capital of {land['land']} is"
            sums = []
            for name in NAMES:
                scored = await model.score(f"{context} {name}")
                sums.append(sum(t.logprob or 0 for t in scored if t.start >= len(context)))
            likely = [float(one[0][0]) for one in found["resps"]]
            assert likely == pytest.approx(sums, abs=1e-3)
            assert found["acc"] == float(sums.index(max(sums)) == land["answer"])
        for found, land in zip(samples["goes_on"], LANDS, strict=True):
            pieces = model.complete(f"The capital of {land['land']} is", greedy)
            assert found["resps"][0][0] == "".join([piece.text async for piece in pieces])
    finally:
        await model.close()


def marked(folder: Path) -> list[dict[str, float]]:
    """Return how a suite of ours marks the same choices."""
    items = [Choice(f"The capital of {it['land']} is", NAMES, it["answer"]) for it in LANDS]
    with closing(LocalExamined(load_language(folder, name="smol", threads=2))) as examined:
        marks = examiner(examined, "choice")(items, silent)
    return [{name: mark[name] for name in ("right", "even")} for mark in marks]


def evaluated(
    python: Path, served: Served, tokenizer: Path, folder: Path
) -> dict[str, list[dict[str, Any]]]:
    """Run the two small tasks; return what was logged of each question, in order."""
    write(
        folder,
        {
            "capitals.json": "".join(json.dumps(land) + "\n" for land in LANDS),
            "tasks/capitals.yaml": CHOICES.replace("FOLDER", folder.as_posix()),
            "tasks/goes_on.yaml": WRITTEN.replace("FOLDER", folder.as_posix()),
        },
    )
    url = f"http://127.0.0.1:{served.port}/v1/completions"
    command = [
        str(python), "-m", "lm_eval", "run", "--model", "local-completions",
        "--model_args", f"model=base,base_url={url},tokenizer={tokenizer}",
        "--tasks", "capitals,goes_on", "--include_path", str(folder / "tasks"),
        "--batch_size", "1", "--log_samples", "--output_path", str(folder / "out"),
    ]  # fmt: skip
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    env = os.environ | quiet | {"OPENAI_API_KEY": served.key}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    found = {}
    for task in ("capitals", "goes_on"):
        (file,) = (folder / "out").rglob(f"samples_{task}_*.jsonl")
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        found[task] = sorted(lines, key=lambda line: line["doc_id"])
    return found
