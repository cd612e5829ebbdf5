"""How much is read of what, as inhouse.yaml says it, and where a second training goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from project.test_project_trained import CHAT, ENTRY, NO_BASE, PAGES, tiny_base
from small_project import edit, opened, quickly, write

from inhouse.core.artifact import Ref
from inhouse.core.errors import ProjectError
from inhouse.project.read import read

STAGES = """\
analyst:
    method: continue
    base: models/base
    rate: 0.01
    length: 64
    batch: 2
    stages:
      - {mix: {data/memos: {tokens: 1k}, data/pay: {tokens: 500}}}
      - {mix: {data/pay: {repeat: 0.5}}}
      - {mix: {data/memos: 1}, budget: {tokens: 300}}
  second: {method: continue, base: models/analyst, mix: {data/pay: {repeat: 1}},
           rate: 0.01, length: 64, batch: 2, full: true}
  third: {method: continue, base: models/second, mix: {data/pay: 1, data/memos: 1},
          budget: {tokens: 256}, rate: 0.01, length: 64, batch: 2}
  short: {method: continue, base: models/second, mix: data/memos,
          budget: {tokens: 64}, rate: 0.01, length: 32, batch: 2}"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, {**PAGES, "chats.jsonl": json.dumps(CHAT) + "\n"}) / "inhouse.yaml"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (
            "mix: {data/pay: {repeat: 2}, data/memos: 0.5}",
            "some of it is told by repeat and some by weight. Say it of all in one way",
        ),
        (
            "mix: {data/pay: {repeat: 2}, data/memos: {tokens: 2k}}",
            "some of it is told by repeat and some by tokens",
        ),
        ("mix: {data/pay: {repeat: 2, tokens: 2k}}", "Write {repeat: 3} or {tokens: 2M}."),
        ("mix: {data/pay: {repeat: 0}}", "should be more than 0, not 0"),
        ("mix: {data/pay: {repeat: twice}}", "a number should stand"),
        ("mix: {data/pay: {times: 2}}", "Known here: repeat, tokens."),
        ("mix: {data/pay: {tokens: 2MB}}", "'2MB' is no number of tokens"),
        (
            "mix: {data/pay: {repeat: 2}}, budget: {epochs: 1}",
            "a mix by repeat says by itself how much is read. Take the budget out, or write",
        ),
        (
            "stages: [{mix: data/pay}], budget: {epochs: 1}",
            "each of the 'stages' has a budget of its own",
        ),
        ("mix: data/pay, stages: [{mix: data/pay}]", "Write one of both"),
        ("stages: []", "at least 1 should stand here"),
        ("stages: [{mix: data/py}]", "Did you mean 'data/pay'"),
        ("stages: [{mix: data/pay, budge: {epochs: 1}}]", "Did you mean 'budget'"),
        (
            "stages: [{mix: {data/pay: {tokens: 2k}}, budget: {epochs: 1}}]",
            "a mix by tokens says by itself",
        ),
    ],
)
def test_a_wrong_mix_is_one_sentence(file: Path, said: str, error: str):
    edit(file, ENTRY, f"analyst: {{method: continue, base: models/base, {said}}}")
    with pytest.raises(ProjectError) as raised:
        read(file)
    assert error in str(raised.value)
    assert f"{file}:9: " in str(raised.value)


@pytest.mark.parametrize(
    "said", ["mix: {data/memos: {repeat: 2}}", "stages: [{mix: data/memos}]", "budget: {epochs: 2}"]
)
def test_a_new_model_is_told_its_tokens(file: Path, said: str):
    mix = "" if "mix" in said else "mix: data/memos, "
    edit(file, ENTRY, f"analyst: {{method: scratch, size: 1M, {mix}{said}}}")
    with pytest.raises(ProjectError, match="rate and batch follow from how many tokens"):
        read(file)
    edit(file, "size: 1M", "size: 1M, rate: 0.01, batch: 2")
    project, _ = read(file)
    assert project.models["analyst"].sources == ["data/memos"]


def test_the_plan_says_what_each_stage_reads(file: Path):
    write(file.parent, NO_BASE)
    edit(file, ENTRY, STAGES)
    with opened(file) as project:
        planned = {p.step.path: p for p in project.plan().steps}
    reason = planned["models/analyst"].reason
    assert "stage 1 reads about 1k of data/memos (" in reason
    assert "stage 2 reads about " in reason
    assert "of data/pay (0.5x); stage 3 reads about 300 of data/memos (" in reason
    before = {e.role: e.parent.path for e in planned["models/second"].step.recipe.parents}
    assert before["before"] == "models/analyst"
    assert "before" not in {e.role for e in planned["models/third"].step.recipe.parents}


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_a_later_training_goes_on_at_what_was_not_read(file: Path):
    tiny_base(file.parent / "base")
    edit(file, ENTRY, STAGES)
    edit(file, "  analyst: {model: models/analyst}\n", "")
    with opened(file) as project:
        for name in ("third", "short"):
            project.run(f"models/{name}")
        told = {
            name: project.artifact(Ref.parse(f"models/{name}")).summary
            for name in ("analyst", "second", "third", "short")
        }
        folder = project.catalog.load(Ref.parse("models/second")).folder
        seen = pq.read_table(folder / "seen.parquet").to_pylist()
    first, second, third, short = told.values()
    assert first["stages"][0] == {"data/memos": 16 * 64, "data/pay": 8 * 64}
    assert set(first["stages"][1]) == {"data/pay"}
    assert set(first["stages"][2]) == {"data/memos"}
    read = {name: many // 64 for name, many in first["shares"].items()}
    assert second["began"] == {"data/pay": read["data/pay"]}
    # One time over from the middle of a pass on: each document is among it.
    assert second["times"]["data/pay"] == pytest.approx(1, abs=0.1)
    assert {row["id"] for row in seen} == {f"docs/pay/{n}.md" for n in range(4)}
    # What the one between has not read is where the first has left it.
    assert third["began"]["data/memos"] == read["data/memos"]
    assert third["began"]["data/pay"] == sum(
        one["shares"]["data/pay"] // 64 for one in (first, second)
    )
    assert short["began"] == {}
    assert short["anew"] == {"data/memos": "its rows are of another length"}
    shown = quickly("show", "models/analyst", cwd=file.parent).stdout
    assert "stage" in shown
    assert "times" in shown
    shown = quickly("show", "models/third", cwd=file.parent).stdout
    assert f"began at sample {read['data/memos'] + 1} of data/memos" in shown
    plain = json.loads(quickly("show", "models/short", "--json", cwd=file.parent).stdout)
    assert plain["summary"]["positions"]["data/pay"]["length"] == 64
