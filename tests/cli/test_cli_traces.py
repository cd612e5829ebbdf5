"""`inhouse traces` from the terminal: listing, showing, following, rolling up, erasing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from small_project import PROGRAM, edit, environment, opened, quickly

from inhouse.cli.traces import _row
from inhouse.core.label import Label
from inhouse.core.nouns import SHADOW, Feedback, Trace
from inhouse.project import recording

DAY = 86_400


def trace(id: str, actor: str, question: str, *, at: float, endpoint) -> Trace:
    return Trace(
        id=id,
        at=at,
        actor=actor,
        route="/v1/chat/completions",
        state="done",
        label=Label.OPEN,
        endpoint=endpoint,
        model="echo",
        request={"messages": [{"role": "user", "content": question}], "temperature": 0},
        answer="Seven [bold]crowns[/].",
        seconds=1.25,
        cost=0.00021 if id.startswith("aaaa") else None,
        price="EUR" if id.startswith("aaaa") else "",
    )


@pytest.fixture
def folder(made: Path) -> Path:
    edit(made, "buy-side: [ana, bo]", "buy-side: [ana, bo]\n  auditor: [cy]")
    edit(made, "project: small", "project: small\ntraces: {keep: 90d}")
    with opened(made) as project:
        project._apply(project.plan(), loosen=False)
        endpoint = project.catalog.heads("endpoints")[1]
        now = time.time()

        async def record() -> None:
            recorder = recording.recorder(project)
            for one in (
                trace("aaaa1111aaaa", "ana", "What is\nthe price?", at=now - 3, endpoint=endpoint),
                trace("bbbb2222bbbb", "bo", "And the size?", at=now - 2, endpoint=endpoint),
                trace("cccc3333cccc", "ana", "Long ago?", at=now - 5 * DAY, endpoint=endpoint),
                trace("dddd4444dddd", "ana", "Too long ago?", at=now - 99 * DAY, endpoint=endpoint),
            ):
                await recorder.record(one)
            recorder.close()

        asyncio.run(record())
    return made.parent


def test_the_verbs(folder: Path):
    def say(*words: str, actor: str = "ana", code: int = 0) -> str:
        done = quickly("traces", *words, cwd=folder, INHOUSE_ACTOR=actor)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    listed = say()
    assert [line.split()[2:4] for line in listed.splitlines()[1:4]] == [
        ["dddd4444", "ana"],
        ["cccc3333", "ana"],
        ["aaaa1111", "ana"],
    ]
    assert "What is the price?" in listed
    assert listed.splitlines()[0].split()[-2:] == ["cost", "asked"]
    assert "0.000210 EUR" in listed
    assert "bbbb2222" not in listed
    assert "bbbb2222" in say("--since", "1h", actor="cy")
    assert "cccc3333" not in say("--since", "1h", actor="cy")
    assert "cccc3333" in say("--endpoint", "open", "--state", "done", "--contains", "LONG AGO")
    assert "may not read the traces of bo" in say("--actor", "bo", code=2)
    assert "'soon' is no time" in say("--since", "soon", code=2)
    east = timezone(timedelta(hours=9))
    for ago, is_there in ((timedelta(minutes=5), True), (timedelta(minutes=-5), False)):
        since = (datetime.now(east) - ago).isoformat()
        assert ("aaaa1111" in say("--since", since)) == is_there
    found = json.loads(say("--last", "1", "--json"))
    assert (found["hidden"], found["traces"][0]["id"]) == (0, "aaaa1111aaaa")
    shown = say("show", "aaaa")
    assert "What is\nthe price?" in shown
    assert "Seven [bold]crowns[/]." in shown
    assert json.loads(say("show", "aaaa", "--json"))["label"] == "open"
    assert "no trace 'bbbb'" in say("show", "bbbb", code=2)
    rolled = json.loads(say("roll", "--json"))
    assert [len(rolled[key]) for key in ("rolled", "deleted", "waiting")] == [2, 1, 0]
    assert "nothing to roll up" in say("roll")
    assert "dddd4444" not in say()
    assert "What is to be erased?" in say("erase", code=2)
    assert say("erase", "--actor", "ana").startswith("2 traces erased")
    assert json.loads(say("--json"))["traces"] == []
    assert "may not erase the traces of bo" in say("erase", "--actor", "bo", code=2)
    assert json.loads(say("erase", "bbbb2222bbbb", "--json")) == {"erased": 0}
    assert json.loads(say("erase", "bbbb2222bbbb", "--json", actor="cy")) == {"erased": 1}


def test_shadows(folder: Path):
    with opened(folder / "inhouse.yaml") as project:
        endpoint = project.catalog.heads("endpoints")[1]
        now = time.time()
        shown = [
            trace(f"{letter}eee1111eeee", "ana", "Two?", at=now - 2, endpoint=endpoint)
            for letter in "ef"
        ]
        shadows = [
            dataclasses.replace(
                one, id=f"{SHADOW}{one.id}", at=now, answer="Two.", extra={"shadow_of": one.id}
            )
            for one in shown
        ]

        async def record() -> None:
            recorder = recording.recorder(project)
            for one in (*shown, *shadows):
                await recorder.record(one)
            recorder.close()

        asyncio.run(record())

    def say(*words: str) -> str:
        done = quickly("traces", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "shadow-" not in say()
    listed = [line.split() for line in say("--shadow").splitlines()[1:5]]
    assert [words[2] for words in listed] == [
        "eeee1111", "shadow-eeee1111", "feee1111", "shadow-feee1111",
    ]  # fmt: skip
    assert listed[0][4] == f"open@{endpoint.version[:8]}"
    assert [words[-1] for words in listed] == ["[bold]crowns[/].", "Two."] * 2
    pairs = json.loads(say("--shadow", "--json"))["pairs"]
    assert [(p["shown"]["id"], p["shadow"]["id"]) for p in pairs] == [
        (one.id, f"{SHADOW}{one.id}") for one in shown
    ]
    assert json.loads(say("show", "shadow-eee", "--json"))["answer"] == "Two."
    assert json.loads(say("erase", shown[0].id, "--json")) == {"erased": 2}
    assert len(json.loads(say("--shadow", "--json"))["pairs"]) == 1


def test_following(folder: Path):
    command = [*PROGRAM, "traces", "--follow", "--json"]
    heard = threading.Event()

    def record() -> None:
        with opened(folder / "inhouse.yaml") as project:
            recorder = recording.recorder(project)
            number = 0
            while not heard.wait(0.1):  # it may not be up yet
                one = trace(f"new-{number}", "ana", "New?", at=time.time() + 1, endpoint=None)
                asyncio.run(recorder.record(one))
                number += 1
            recorder.close()

    thread = threading.Thread(target=record)
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        thread.start()
        line = json.loads(process.stdout.readline())
        heard.set()
        thread.join()
        process.kill()
    assert line["id"].startswith("new-")


def test_what_a_search_looked_for_is_shown():
    request = {"knowledge": "desk", "query": "Who approves leave?"}
    trace = Trace("r1", 0.0, "ana", "/v1/search", "done", Label.OPEN, request=request)
    assert _row(trace, {})[3] == "/v1/search"
    assert _row(trace, {})[-1] == "Who approves leave?"


def test_feedback(folder: Path):
    def said(*words: str, actor: str = "ana", code: int = 0) -> str:
        done = quickly(*words, cwd=folder, INHOUSE_ACTOR=actor)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    assert "Nobody has said anything yet." in said("feedback")
    assert "feedback" not in said("traces").splitlines()[0]
    with opened(folder / "inhouse.yaml") as project:
        them = recording.traces(project)
        for id, actor, score, correction in (
            ("aaaa1111aaaa", "ana", -1, "Eight [b]crowns."),
            ("cccc3333cccc", "ana", 1, ""),
            ("bbbb2222bbbb", "bo", 1, ""),
        ):
            who = project.catalog.access.actor(actor)
            asyncio.run(them.take(Feedback(id, actor, score, correction), who))
    listed = said("feedback")
    for words in ("What is\n            the price?", "Seven [bold]crowns[/].", "Eight [b]crowns."):
        assert words in listed
    assert "And the size?" not in listed
    (bad,) = json.loads(said("feedback", "--score", "bad", "--since", "1h", "--json"))["feedback"]
    assert (bad["trace"], bad["actor"], bad["question"]) == (
        "aaaa1111aaaa",
        "ana",
        "What is\nthe price?",
    )
    assert len(json.loads(said("feedback", "--json", actor="cy"))["feedback"]) == 3
    assert said("feedback", "--to", "prefs.jsonl").startswith("3 answers with a thumb to prefs.")
    rows = [json.loads(line) for line in (folder / "prefs.jsonl").read_text().splitlines()]
    told = {(row["prompt"][-1]["content"], row["answer"], row["good"]) for row in rows}
    assert ("What is\nthe price?", "Eight [b]crowns.", True) in told
    assert ("What is\nthe price?", "Seven [bold]crowns[/].", False) in told
    assert "is there already" in said("feedback", "--to", "prefs.jsonl", code=2)
    listed = said("traces", "--feedback", "bad")
    assert "aaaa1111" in listed
    assert "cccc3333" not in listed
    assert " bad " in listed
    found = json.loads(said("traces", "--json"))["traces"]
    assert [[f["score"] for f in trace["feedback"]] for trace in found] == [[], [1], [-1]]
    assert "ana: bad Eight [b]crowns." in said("traces", "show", "aaaa")
    assert "no feedback yet" in said("traces", "--follow", "--feedback", "bad", code=2)
    assert said("traces", "erase", "aaaa1111aaaa").startswith("1 traces erased")
    assert json.loads(said("feedback", "--score", "bad", "--json"))["feedback"] == []
