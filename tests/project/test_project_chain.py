"""Several models at one endpoint, and prices, as the project file has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from project_processes import started
from small_project import edit, inhouse, opened, quickly
from upstream import upstream

from inhouse.core.artifact import Ref
from inhouse.core.errors import ProjectError
from inhouse.observe.wanted import Wanted
from inhouse.project import bought, recording
from inhouse.project.read import read
from inhouse.project.release import release
from inhouse.serve.endpoint import by_model
from inhouse.serve.price import Price

OPEN = '  open: {model: {api: "http://127.0.0.1:9/v1", name: echo}}'
ONE = '{api: "http://127.0.0.1:9/v1", name: echo}'
TWO = '{api: "http://127.0.0.1:9/v2", name: second, key: "${SECOND_KEY}"}'
PRICED = ONE.replace("}", ", price: {input: 0.15, output: 0.6, unit: EUR}}")


def model(file: Path, text: str) -> None:
    edit(file, OPEN, f"  open: {{model: {text}}}")


def versions(file: Path) -> Sequence[str]:
    with opened(file) as project:
        return [step.recipe.version for step in project.steps("endpoints/open")]


def test_a_list_of_one_is_that_one(file: Path) -> None:
    before = versions(file)
    model(file, f"[{ONE}]")
    assert versions(file) == before


def test_a_price_is_no_behaviour(file: Path) -> None:
    before = versions(file)
    model(file, PRICED)
    assert versions(file) == before
    config, _ = read(file)
    assert bought.prices(config) == {
        ("open", "http://127.0.0.1:9/v1", "echo"): Price(0.15, 0.6, "EUR")
    }


def test_a_chain_is_a_change_that_waits(made: Path) -> None:
    model(made, f"[{PRICED}, {TWO}]")
    with opened(made) as project:
        waits = [f.planned.step.path for f in project.run() if f.waits]
        assert waits == ["endpoints/open"]
        (change,) = [c for c in release(project, "open").changes if c.name == "chain"]
        assert "SECOND_KEY" in change.after
        assert "0.15" not in change.after
        served = project.catalog.get(Ref.parse("endpoints/open"))
        assert [one.params["api"]["name"] for one in by_model(served)] == ["echo", "second"]
        assert not project.plan().changes
        assert bought.keys(project.config) == {"desk": ["SMALL_KEY"], "open": ["SECOND_KEY"]}
    shown = quickly("show", "endpoints/open", cwd=made.parent).stdout
    assert "key SECOND_KEY, name second, url http://127.0.0.1:9/v2" in " ".join(shown.split())


def test_an_own_model_has_a_role_by_its_place(file: Path) -> None:
    edit(file, "models:\n", "models:\n  base: {from: smollm2-135m-instruct, label: buy-side}\n")
    model(file, f"[{ONE}, models/base]")
    with opened(file) as project:
        step = project.steps("endpoints/open")[-1]
        assert [(e.role, e.parent.path, e.flow) for e in step.recipe.parents] == [
            ("model.2", "models/base/openvino-int8", "carry")
        ]
        assert str(step.label) == "buy-side"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "at least 1"),
        ("[models/bse]", "'models/bse' is not among the models"),
        ("[models/minilm, models/minilm]", "stands here twice"),
        ("[{api: 'https://x/v1', nam: n}]", "Did you mean 'name'"),
        ("{api: 'https://x/v1', name: n, price: {inptu: 1, output: 1}}", "Did you mean 'input'"),
        ("{api: 'https://x/v1', name: n, price: {input: -1, output: 1}}", "0 or more"),
        ("{api: 'https://x/v1', name: n, price: {input: 1}}", "price.output' is missing"),
        ("[{api: 'https://x/v1?key=1', name: n}]", "a query in it"),
        ("{api: 'https://x/v1', name: n, price: {input: .inf, output: 1}}", "finite"),
        ("[[models/base]]", "text should stand here"),
    ],
)
def test_mistakes_are_one_sentence(file: Path, text: str, said: str) -> None:
    model(file, text)
    with pytest.raises(ProjectError) as raised:
        read(file)
    assert said in str(raised.value), raised.value
    assert f"{file}:" in str(raised.value)
    assert "<" not in str(raised.value)


def test_an_embedder_is_no_link(file: Path) -> None:
    edit(file, "models:\n", "models:\n  bert: {from: minilm-l6}\n")
    model(file, f"[{ONE}, models/bert]")
    with pytest.raises(ProjectError, match="a language model is wanted"):
        read(file)


def test_a_question_is_answered_by_the_next_one_and_priced(made: Path) -> None:
    with upstream() as api:
        price = "price: {input: 0.15, output: 0.6, unit: EUR}"
        model(made, f"[{ONE}, {{api: '{api.url}', name: second, {price}}}]")
        with opened(made) as project:
            project.run()
            release(project, "open")
            answered = project.ask("open", "How long?")
            assert (answered.text, answered.model, answered.digest) == ("Ten weeks.", "second", "")
            reader = project.catalog.access.actor("ana")
            (trace,) = recording.traces(project).find(reader, Wanted()).traces
    assert (trace.model, trace.cost, trace.price) == ("second", 0.00021, "EUR")
    assert [tried["model"] for tried in trace.extra["tried"]] == ["echo"]


def test_a_missing_key_is_told_and_the_others_answer(made: Path) -> None:
    model(made, f"[{TWO}, {ONE}]")
    with opened(made) as project:
        project.run()
        release(project, "open")
    with started("serve", "--port", "0", cwd=made.parent) as server:
        said = server.until("endpoints/open cannot ask all its models")
        assert "SECOND_KEY" in said
    with started("serve", "--port", "0", "--json", cwd=made.parent, SMALL_KEY="k") as server:
        assert json.loads(server.until('"url"'))["missing_keys"] == {"open": "SECOND_KEY"}
    asked = inhouse("ask", "open", "What?", cwd=made.parent)
    assert "cannot be reached" in asked.stderr or "SECOND_KEY" in asked.stderr
