"""The steps that find or hide personal data and that flag toxic rows."""

import json
from datetime import UTC, datetime

import pytest

from inhouse.catalog.rows import RowReader, schema, write_rows
from inhouse.core.access import Actor
from inhouse.core.artifact import Artifact, Input, Ref
from inhouse.core.errors import BadInput
from inhouse.core.label import Label
from inhouse.core.stage import Context
from inhouse.data import curate, personal
from inhouse.data.recipe import read_step
from inhouse.data.step import Batch, Given
from inhouse.data.steps import pii, toxicity
from inhouse.guard import seal
from inhouse.guard.guard import Guard

ROWS = [
    {"id": "a", "text": "Write to ana@example.com, or ana@example.com", "label": "x"},
    {"id": "b", "text": "Nothing to see here.", "label": "x"},
    {"id": "c", "text": "SSN 078-05-1120, my name is Maria Lopez", "label": "x"},
]
KIND = ["tea", "book", "walk", "help", "song", "soup", "chair", "lamp", "map", "pen"]
LABELLED = [
    {"id": f"{kind} {word}", "text": text.format(word), "label": kind}
    for word in KIND
    for kind, text in (("fine", "thank you for the {}"), ("rude", "you are a {} idiot"))
]


def batch(rows, kind="examples"):
    import pyarrow as pa

    plain = [{**dict.fromkeys(schema(kind).names, ""), **row} for row in rows]
    return Batch(kind, pa.Table.from_pylist(plain, schema(kind)))


def judged(value, folder, rows=ROWS, kind="examples"):
    return pii.start(pii.read(value), Given({}, 0, folder)).judge(batch(rows, kind))


def test_finding_counts_and_changes_nothing(tmp_path):
    verdict = judged("find", tmp_path)
    assert [(n.row, n.rule, n.value) for n in verdict.flagged] == [
        (0, "email", "2"), (2, "person", "1"), (2, "ssn", "1"),
    ]  # fmt: skip
    assert verdict.rows is None
    assert not verdict.dropped


def test_masking_and_redacting(tmp_path):
    masked = judged("mask", tmp_path).rows.column("text").to_pylist()
    assert masked == [
        "Write to [EMAIL], or [EMAIL]", ROWS[1]["text"], "SSN [SSN], my name is [PERSON]",
    ]  # fmt: skip
    only = judged({"how": "redact", "types": ["ssn"]}, tmp_path).rows.column("text").to_pylist()
    assert only == [ROWS[0]["text"], ROWS[1]["text"], "SSN █████, my name is Maria Lopez"]


def test_what_was_found_is_not_looked_for_again(tmp_path, monkeypatch):
    looked = []

    def counted(self, texts):
        looked.extend(texts)
        return find_many(self, texts)

    find_many = Guard.find_many
    monkeypatch.setattr(Guard, "find_many", counted)
    judged("mask", tmp_path)
    assert looked == [row["text"] for row in ROWS]


def test_stand_ins_are_the_same_in_a_run_that_goes_on_and_others_in_another(tmp_path):
    one, again, other = (
        judged("pseudonymise", tmp_path / run).rows.column("text").to_pylist()
        for run in ("one", "one", "other")
    )
    assert one == again
    assert one[0] != other[0]
    assert "ana@" not in one[0]
    first, second = one[0].removeprefix("Write to ").split(", or ")
    assert first == second


def test_each_turn_and_each_call_of_a_chat_is_masked(tmp_path):
    call = {"id": "1", "name": "send", "arguments": '{"to": "ana@example.com"}'}
    turns = [
        {"role": "user", "content": "I am ana@example.com", "calls": [], "answers": ""},
        {"role": "assistant", "content": "", "calls": [call], "answers": ""},
    ]
    verdict = judged("mask", tmp_path, [{"id": "a", "messages": turns}], "chats")
    user, assistant = verdict.rows.column("messages").to_pylist()[0]
    assert user["content"] == "I am [EMAIL]"
    assert assistant["calls"][0]["arguments"] == '{"to": "[EMAIL]"}'


def everywhere():
    """Return a document and a chat with personal data beside what is said."""
    document = {
        "id": "1", "title": "CV of Maria Lopez, SSN 078-05-1120", "text": "Nothing here.",
        "modified": 0.0,
    }  # fmt: skip
    call = {"id": "1", "name": "mail", "arguments": '{"to": "ana@example.com", "cc": ["b@x.org"]}'}
    silent = dict.fromkeys(("content", "call_id", "name"), "")
    turns = [
        {**silent, "role": "user", "content": "hello", "calls": []},
        {**silent, "role": "assistant", "calls": [call]},
    ]
    return document, {"id": "1", "messages": turns, "tools": ""}


@pytest.mark.parametrize("how", ["find", "mask"])
def test_what_would_be_hidden_is_counted_wherever_it_stands(how, tmp_path):
    document, chat = everywhere()
    verdict = judged(how, tmp_path, [document], "documents")
    assert [(n.rule, n.value) for n in verdict.flagged] == [("person", "1"), ("ssn", "1")]
    said = judged(how, tmp_path, [chat], "chats")
    assert [(n.rule, n.value) for n in said.flagged] == [("email", "2")]
    if how == "mask":
        assert verdict.rows.column("title").to_pylist() == ["CV of [PERSON], SSN [SSN]"]
        call = said.rows.to_pylist()[0]["messages"][1]["calls"][0]
        assert call["arguments"] == '{"to": "[EMAIL]", "cc": ["[EMAIL]"]}'


@pytest.mark.parametrize(
    "value", ["hide", {"types": ["emial"]}, {"least": 2}, {"how": "mask", "label": True}]
)
def test_what_cannot_be_asked_for_is_refused(value):
    with pytest.raises(BadInput):
        pii.read(value)


def given_rows(folder, rows):
    folder.mkdir()
    write_rows(folder, "examples", [{"source": "", "part": "", **row} for row in rows])
    return folder


def an_input(name, folder):
    now = datetime.now(UTC)
    artifact = Artifact(Ref.parse(name), "made", 1, {}, (), "", {}, Label.OPEN, now, "ana", 0.0, {})
    return Input(artifact, folder)


def test_toxic_rows_are_flagged_by_what_the_examples_say(tmp_path):
    settings = toxicity.read({"examples": "data/labelled", "toxic": ["rude"]})
    folder = given_rows(tmp_path / "labelled", LABELLED)
    given = Given({"data/labelled": an_input("data/labelled", folder)}, 0, tmp_path)
    rows = [{"id": "1", "text": "thank you for the cake"}, {"id": "2", "text": "you idiot"}]
    verdict = toxicity.start(settings, given).judge(batch(rows))
    assert [(note.row, note.rule) for note in verdict.flagged] == [(1, "toxicity")]
    assert not verdict.dropped
    assert verdict.rows is None


@pytest.mark.parametrize("value", [None, "flag"])
def test_without_examples_there_is_no_judging(value):
    with pytest.raises(BadInput, match="learns from examples"):
        read_step("toxicity" if value is None else {"toxicity": value})


def test_what_judges_is_a_parent():
    assert read_step({"toxicity": "data/labelled"}).refs == ["data/labelled"]
    step = read_step({"toxicity": {"model": "models/tox"}})
    assert (step.refs, step.model_kind) == (["models/tox"], "classifier")


@pytest.mark.parametrize(
    "value",
    [{}, {"examples": "data/a", "model": "models/b"}, {"model": "data/a"}, "models/tox"],
)
def test_toxicity_is_judged_by_examples_or_by_a_model(value):
    with pytest.raises(BadInput):
        toxicity.read(value)


def test_both_steps_in_a_data_set(tmp_path):
    raw = given_rows(tmp_path / "raw", [*ROWS, {"id": "d", "text": "you big idiot", "label": "x"}])
    labelled = given_rows(tmp_path / "labelled", LABELLED)
    steps = [
        {"pii": "mask"},
        {"toxicity": {"examples": "data/labelled", "toxic": ["rude"], "least": 0.6}},
    ]
    spec = curate.Curate.of([read_step(step) for step in steps], ["data/raw"])
    inputs = {
        "data/raw": an_input("data/raw", raw),
        "data/labelled": an_input("data/labelled", labelled),
    }
    work = tmp_path / "work"
    work.mkdir()
    result = curate.run(spec, inputs, Context(work, Actor("ana")))
    with RowReader(work) as reader:
        texts = [row for group in reader.all() for row in group.column("text").to_pylist()]
    assert texts[0] == "Write to [EMAIL], or [EMAIL]"
    assert len(texts) == 4
    _, masked, flagged = result.summary["funnel"]
    assert set(masked["flagged"]) == {"email", "person", "ssn"}
    assert flagged["flagged"] == {"toxicity": 1}
    assert not any("pii.key" in name for name in [f.name for f in work.iterdir()])
    assert result.found == Label.OPEN, "what is hidden asks for nothing"


CLAUSES = "pii|pii.email & pii|pii.person & pii|pii.ssn"


@pytest.mark.parametrize(
    ("steps", "adds"),
    [
        ([{"pii": "find"}], CLAUSES),
        ([{"pii": {"how": "find", "label": False}}], "open"),
        ([{"pii": "mask"}, {"pii": "find"}], "open"),
        ([{"pii": {"how": "mask", "types": ["email"]}}, {"pii": "find"}],
         "pii|pii.person & pii|pii.ssn"),
        ([{"sample": {"rows": 1}}, {"pii": {"types": ["email"]}}], "pii|pii.email"),
    ],
)  # fmt: skip
def test_what_is_found_and_stays_adds_to_the_label(tmp_path, steps, adds):
    raw = given_rows(tmp_path / "raw", ROWS[:1] if "sample" in steps[0] else ROWS)
    spec = curate.Curate.of([read_step(step) for step in steps], ["data/raw"])
    work = tmp_path / "work"
    work.mkdir()
    ctx = Context(work, Actor("ana"))
    result = curate.run(spec, {"data/raw": an_input("data/raw", raw)}, ctx)
    assert str(result.found) == adds
    report = json.loads((work / personal.REPORT).read_text())
    assert report["adds_to_label"] == adds


def test_the_report_counts_findings_and_rows_by_type_and_holds_no_sample(tmp_path):
    rows = [{**ROWS[0], "id": f"{n}", "text": f"{n}: {ROWS[0]['text']}"} for n in range(4)]
    raw = given_rows(tmp_path / "raw", rows)
    spec = curate.Curate.of([read_step(step) for step in ({"sample": 3}, "pii")], ["data/raw"])
    work = tmp_path / "work"
    work.mkdir()
    ctx = Context(work, Actor("ana"))
    result = curate.run(spec, {"data/raw": an_input("data/raw", raw)}, ctx)
    assert result.summary["personal_data"] == [
        {"step": "2. find", "type": "email", "findings": 6, "rows": 3}
    ]
    text = (work / personal.REPORT).read_text()
    (told,) = json.loads(text)["steps"]
    assert (told["rows"], told["rows_with_findings"], told["rows_not_looked_at"]) == (3, 3, 1)
    assert told["types"]["card"] == {"findings": 0, "rows": 0}, "looked for, and not there"
    assert told["guard"] == {"sha256": seal.digest(["person"]), "least": 0.5}
    assert "ana@" not in text


def test_the_seal_is_that_of_what_looked():
    assert seal.digest(["email"]) == seal.digest(["card", "iban"]) != seal.digest(["person"])
