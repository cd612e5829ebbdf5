"""Every verb as a real program: what it prints for people and for machines, and how it ends."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from small_project import PROGRAM, edit, environment, inhouse, quickly, write


def machine(*words: str, cwd: Path, code: int = 0, **more: str) -> dict:
    """Run a verb with --json: one object on standard output and nothing else."""
    done = quickly(*words, "--json", cwd=cwd, **more)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    assert ("error" in value) == (code != 0)
    return value


def person(*words: str, cwd: Path, code: int = 0, **more: str) -> str:
    done = quickly(*words, cwd=cwd, **more)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout  # no colours in a pipe
    return done.stdout if code == 0 else done.stderr


def test_from_nothing_to_a_plan(tmp_path: Path):
    folder = tmp_path / "2026"  # a name that YAML would take for a number
    folder.mkdir()
    written = machine("init", cwd=folder, INHOUSE_ACTOR=r"DOM\ana [x]")
    assert written["documents"] == "./docs"
    planned = machine("plan", cwd=folder)
    assert {step["status"] for step in planned["steps"]} == {"will be made"}
    assert planned["steps"][-1]["audience"] == [r"DOM\ana [x]"]
    assert not planned["retired"]
    assert machine("init", cwd=folder, code=2)["error"]["what"].endswith("is there already.")
    assert "is there already" in person("init", cwd=folder, code=2)


@pytest.mark.parametrize(
    "login", ["true", "null", "7", "a: b", "x#y", "it's", "O'Neil, Ana", "[x]"]
)
def test_any_login_name_makes_a_file_that_can_be_read(
    tmp_path: Path, login: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from inhouse.cli.init import init
    from inhouse.project.read import read

    monkeypatch.setenv("INHOUSE_ACTOR", login)
    folder = write(tmp_path / "no", {"page.md": "# Page\n"})
    init(folder)
    project, _ = read(folder / "inhouse.yaml")
    assert project.groups == {"team": [login]}
    assert (project.project, project.data["documents"].sources) == ("no", ["./**/*"])
    assert str(folder) in capsys.readouterr().out


def test_a_user_without_a_name(made: Path, monkeypatch: pytest.MonkeyPatch):
    from inhouse.cli.options import login

    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.delenv("INHOUSE_ACTOR", raising=False)
    monkeypatch.setattr("getpass.getuser", nameless)
    assert login() == "me"


def test_plan_and_run(made: Path):
    folder = made.parent
    assert "Everything is up to date." in person("plan", cwd=folder)
    assert "0 made, 8 up to date." in person("run", cwd=folder)
    write(folder, {"docs/memos/three.md": "# Three\n\nText.\n"})
    edit(made, '  open: {model: {api: "http://127.0.0.1:9/v1", name: echo}}\n', "")
    edit(made, "label: buy-side}", "label: buy-side|sell-side}")
    planned = person("plan", cwd=folder)
    assert "will be made: files: 1 new" in planned
    assert "endpoints/open: goes out of service" in planned
    assert "label of data/memos: buy-side -> buy-side|sell-side (needs --loosen)" in planned
    assert machine("plan", cwd=folder)["retired"] == ["endpoints/open"]
    assert "--loosen" in machine("run", cwd=folder, code=2)["error"]["fix"]
    done = quickly("run", "--loosen", cwd=folder)
    assert done.returncode == 0
    assert "out of service: endpoints/open" in done.stderr
    assert "made knowledge/desk@" in done.stderr
    again = machine("run", cwd=folder)
    assert [step["made"] for step in again["steps"]] == [False] * 7
    assert again["retired"] == []
    assert {"ref", "version", "digest", "seconds", "summary", "metrics"} < again["steps"][0].keys()


@pytest.mark.slow
def test_canary_and_shadow(made: Path):
    folder = made.parent
    edit(made, "knowledge: knowledge/desk", "knowledge: knowledge/desk\n    top: 7")
    assert machine("run", cwd=folder)["ended"] == []
    assert "Nothing is tried" in person("release", "desk", "--compare", cwd=folder, code=2)
    assert "no share" in person("release", "desk", "--canary", "0", cwd=folder, code=2)
    both = ("--canary", "1", "--shadow", "1")
    assert "exclude each other" in person("release", "desk", *both, cwd=folder, code=2)
    tried = machine("release", "desk", "--canary", "12.5", "--actor", "bo", cwd=folder)
    trial = tried["trial"]
    assert (trial["kind"], trial["percent"], trial["by"]) == ("canary", 12.5, "bo")
    assert tried["changes"] == [{"name": "top", "before": "5", "after": "7"}]
    told = f"canary: {trial['ref'][: len('endpoints/desk@') + 8]} answers 12.5 % of the actors"
    verbs = (["ls"], ["show", "endpoints/desk"], ["release", "desk", "--history"])
    for verb in (*verbs, ["release", "desk", "--compare"]):
        assert told in person(*verb, cwd=folder), verb
    (listed,) = [a for a in machine("ls", cwd=folder)["artifacts"] if a["ref"] == "endpoints/desk"]
    shown = machine("show", "endpoints/desk", cwd=folder)
    listing = machine("release", "desk", "--history", cwd=folder)
    assert listed["trial"] == shown["trial"] == listing["trial"] == trial
    assert "shadow: " in person("release", "desk", "--shadow", "100", cwd=folder)
    compared = machine("release", "desk", "--compare", cwd=folder)
    assert (compared["trial"]["kind"], compared["tried"]["requests"]) == ("shadow", 0)
    back = person("rollback", "desk", cwd=folder)
    assert back.startswith("The shadow of endpoints/desk@")
    assert "is served to everybody." in back
    person("release", "desk", "--canary", "10", cwd=folder)
    released = machine("release", "desk", cwd=folder)
    assert released["ended"]["ref"] == released["served"] == trial["ref"]
    edit(made, "top: 7", "top: 8")
    person("run", cwd=folder)
    person("release", "desk", "--canary", "10", cwd=folder)
    edit(made, "top: 8", "top: 9")
    assert "ends the canary of endpoints/desk@" in person("plan", cwd=folder)
    assert "The canary of endpoints/desk@" in person("run", cwd=folder)


def test_release_and_rollback(made: Path):
    folder = made.parent
    edit(made, "knowledge: knowledge/desk", "knowledge: knowledge/desk\n    top: 7")
    waits = "waits for: inhouse release endpoints/desk"
    assert f"will be made: top changed; then {waits}" in person("plan", cwd=folder)
    for verb in (["run"], ["plan"], ["ls"], ["show", "endpoints/desk"]):
        assert waits in person(*verb, cwd=folder), verb
    assert [s["ref"] for s in machine("run", cwd=folder)["steps"] if s["waits"]] == [
        "endpoints/desk"
    ]
    (listed,) = [a for a in machine("ls", cwd=folder)["artifacts"] if a["ref"] == "endpoints/desk"]
    shown = machine("show", f"endpoints/desk@{listed['waiting']}", cwd=folder)
    assert shown["state"].endswith(waits)
    released = machine("release", "endpoints/desk", "--actor", "bo", cwd=folder)
    assert released["served"] == f"endpoints/desk@{listed['waiting']}"
    assert released["changes"] == [{"name": "top", "before": "5", "after": "7"}]
    assert "is served already" in person("release", "endpoints/desk", cwd=folder)
    back = person("rollback", "endpoints/desk", cwd=folder)
    assert f"instead of endpoints/desk@{listed['waiting'][:8]}" in back
    assert "  top: 7 -> 5" in back
    assert "Nothing was released" in person("rollback", "desk", cwd=folder, code=2)
    releases = machine("release", "desk", "--history", cwd=folder)["releases"]
    assert [(r["by"], r["rolled_back"] is None) for r in releases] == [("ana", True), ("bo", False)]
    told = person("release", "desk", "--history", cwd=folder).splitlines()
    assert "rolled back" in told[1]
    assert told[2].split()[-1] == "served"
    assert waits in person("run", cwd=folder)


def test_only_what_can_be_done_is_said_to_be_next(made: Path):
    edit(made, "  desk:\n    model", "  asked:\n    model")
    edit(made, "  open: {model", "  desk: {instructions: Be brief., model")
    ran = person("run", cwd=made.parent)
    assert ran.splitlines()[-3:-1] == [
        "next: inhouse release endpoints/desk",
        'next: inhouse ask asked "your question"',
    ]


def test_what_is_closed_tells_nothing_of_what_is_in_it(made: Path):
    folder, stranger = made.parent, {"INHOUSE_ACTOR": "cy"}
    for ref in ("data/memos", "knowledge/desk", "knowledge/all"):
        told = machine("show", ref, cwd=folder, **stranger)
        figures = ("digest", "bytes", "seconds", "params", "summary", "metrics", "files")
        assert not any(told[name] for name in figures), ref
        said = person("show", ref, cwd=folder, **stranger)
        assert "characters" not in said and "passages" not in said and "bytes" not in said
    listed = {a["ref"]: a for a in machine("ls", cwd=folder, **stranger)["artifacts"]}
    assert (listed["data/memos"]["bytes"], listed["data/memos"]["digest"]) == (None, "")
    assert listed["data/handbook"]["bytes"] > 0
    assert listed["knowledge/all"]["label"] == "by source"


def test_nobody_is_told_to_ask_what_is_not_made(file: Path):
    ran = person("run", "data/memos", cwd=file.parent)
    assert ran.endswith("next: inhouse ls\n")


def test_what_is_open_without_a_word_is_named(made: Path):
    said = "no label is written, so open to everybody: data/handbook\n"
    assert all(said in person(verb, cwd=made.parent) for verb in ("plan", "run"))
    assert machine("plan", cwd=made.parent)["unlabelled"] == ["data/handbook"]
    assert person("run", cwd=made.parent).startswith(said)
    edit(made, "{from: ./docs/handbook}", "{from: ./docs/handbook, label: open}")
    assert all("no label" not in person(verb, cwd=made.parent) for verb in ("plan", "run"))


def test_release_and_rollback_act_for_whoever_runs_them(made: Path):
    whoever = {"INHOUSE_ACTOR": "", "LOGNAME": "bo"}
    edit(made, "knowledge: knowledge/desk", "knowledge: knowledge/desk\n    top: 7")
    for verb in ("run", "release", "rollback"):
        person(verb, *(["desk"] if verb != "run" else []), cwd=made.parent, **whoever)
    releases = machine("release", "desk", "--history", cwd=made.parent)["releases"]
    assert [(r["by"], r["rolled_back"] is None) for r in releases] == [("ana", True), ("bo", False)]


def test_looking_at_things(made: Path):
    folder = made.parent
    listed = machine("ls", cwd=folder)["artifacts"]
    assert len(listed) == 8
    assert [a["ref"] for a in machine("ls", "data", cwd=folder)["artifacts"]] == [
        "data/handbook",
        "data/memos",
    ]
    assert "'endpoints'" in machine("ls", "endpoint", cwd=folder, code=2)["error"]["fix"]
    shown = machine("show", "knowledge/desk", cwd=folder)
    assert shown["metrics"]["sections"] == {"value": 2, "low": 2, "high": 2}
    assert "made from" in person("show", "knowledge/desk", cwd=folder)
    assert "asked item by item" in person("show", "knowledge/desk", cwd=folder)
    assert shown["label"] == "open; then that of each of: data/memos"
    lineage = machine("lineage", "endpoints/desk", cwd=folder)
    embedder, knowledge = lineage["made_from"]
    assert embedder["ref"].startswith("models/minilm/openvino-f16@")
    assert knowledge["parents"][0]["ref"].startswith("data/memos@")
    assert "asked item by item" in person("lineage", "endpoints/desk", cwd=folder)
    models = machine("models", cwd=folder)
    assert {m["kind"] for m in models["models"]} == {"embedder"}
    assert {m["name"] for m in models["builtin"]} == {"smollm2-135m-instruct", "minilm-l6"}
    assert machine("models", cwd=folder.parent)["models"] == []


def test_searching(made: Path):
    found = machine("search", "desk", "price", cwd=made.parent)
    assert {hit["source"].partition("@")[0] for hit in found["hits"]} == {"data/memos"}
    assert found["query"] == "price"
    assert 0 <= found["support"] <= 1
    said = person("search", "desk", "price", cwd=made.parent)
    assert "docs/memos/one.md#" in said
    assert f"support {found['support']:.2f}" in said
    assert ("would refuse" in said) == (found["support"] < 0.5)
    refused = machine("search", "desk", "price", "-a", "cy", cwd=made.parent, code=2)
    assert refused["error"]["code"] == "refused"


def test_why_sums_up(made: Path):
    yes = person("why", "endpoints/desk", cwd=made.parent).splitlines()
    assert yes[-1] == "Yes: ana may use endpoints/desk."
    no = person("why", "endpoints/desk", "-a", "cy", cwd=made.parent).splitlines()
    assert no[1].startswith("no  cy may not use endpoints/desk@")
    assert no[2].startswith("no  cy may not read data/memos@")
    assert no[-1] == "No: cy may not use endpoints/desk."
    said = machine("why", "endpoints/desk", "-a", "cy", cwd=made.parent)
    assert (said["allowed"], said["verdict"], said["pending_changes"]) == (False, no[-1], False)
    closed = machine("why", "data/memos", "-a", "[red]di", cwd=made.parent)
    assert closed["verdict"] == "No: [red]di may not read data/memos."
    assert "[red]di is in: no group" in person(
        "why", "data/memos", "-a", "[red]di", cwd=made.parent
    )


def test_why_with_some_of_the_sources(made: Path):
    edit(made, "knowledge: knowledge/desk", "knowledge: knowledge/all")
    assert quickly("run", cwd=made.parent).returncode == 0
    assert quickly("release", "desk", cwd=made.parent).returncode == 0
    said = person("why", "endpoints/desk", "-a", "cy", cwd=made.parent)
    assert said.splitlines()[-1] == (
        "Yes: cy may use endpoints/desk, and is answered from 1 of its 2 sources."
    )


def test_keys(made: Path):
    folder = made.parent
    created = machine("keys", "create", "-a", "cy", "--days", "1", cwd=folder)
    assert created["key"] not in person("keys", "ls", cwd=folder)
    listed = machine("keys", "ls", cwd=folder)["keys"]
    assert [(k["id"], k["actor"], k["revoked"]) for k in listed] == [(created["id"], "cy", None)]
    assert machine("keys", "revoke", created["id"], cwd=folder)["revoked"]
    assert machine("keys", "ls", cwd=folder)["keys"][0]["revoked"]
    assert machine("keys", "revoke", "nothing", cwd=folder, code=2)["error"]["code"] == "not_found"
    assert machine("keys", "create", "-a", "cy", "--days", "-1", cwd=folder, code=2)["error"]
    assert "in no group" in person("keys", "create", "-a", "di", cwd=folder)


def test_collecting(made: Path):
    write(made.parent, {"docs/handbook/leave.md": "# Leave\n\nNone.\n"})
    assert quickly("run", cwd=made.parent).returncode == 0
    would = machine("gc", "--dry-run", cwd=made.parent)
    assert would["bytes"] > 0
    assert machine("gc", cwd=made.parent)["artifacts"] == would["artifacts"]
    assert machine("gc", cwd=made.parent)["artifacts"] == []


def test_pulling(made: Path, tiny_weights: Path):
    url = f"file:{tiny_weights}"
    pulled = machine("pull", url, "--name", "other", cwd=made.parent)
    assert (pulled["ref"], pulled["made"]) == ("models/other", True)
    assert "is there already" in person("pull", url, "--name", "other", cwd=made.parent)
    assert machine("pull", url, cwd=made.parent, code=2)["error"]["fix"].endswith("--name.")


def test_the_doctor_without_a_network(tmp_path: Path):
    said = machine("doctor", "--offline", cwd=tmp_path)
    names = {finding["name"] for finding in said["findings"]}
    assert said["ok"]
    assert {"inhouse", "sqlite", "processor", "memory", "disk", "[train]"} <= names
    assert "package index" not in names
    shown = person("doctor", "--offline", cwd=tmp_path)
    assert "[train]" in shown
    assert "inhouse init" in shown.splitlines()[-1]
    (tmp_path / "inhouse.yaml").touch()
    assert "inhouse run" in person("doctor", "--offline", cwd=tmp_path).splitlines()[-1]


def test_from_any_folder(made: Path, tmp_path: Path):
    elsewhere = tmp_path / "else"
    elsewhere.mkdir()
    assert not any(s["reason"] for s in machine("plan", "-p", str(made), cwd=elsewhere)["steps"])
    assert not any(
        s["reason"] for s in machine("plan", cwd=elsewhere, INHOUSE_PROJECT=str(made))["steps"]
    )
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan"], "no project file"),
        (["plan", "-p", "/"], "Is a directory"),
        (["ls", "-p", "nowhere.yaml"], "no project file"),
        (["plan", "--bogus"], "No such option"),
        (["search", "desk"], "Missing argument"),
        (["serve", "--port", "70000"], "65535"),
        (["nonsense"], "nonsense"),
        (["init", "/proc/none"], "/proc/none"),
    ],
)
def test_mistakes_without_a_project(tmp_path: Path, words: list[str], said: str):
    code = 1 if words[0] == "init" else 2  # the disk refuses, not the command line
    assert said in machine(*words, cwd=tmp_path, code=code)["error"]["what"]
    assert said in " ".join(person(*words, cwd=tmp_path, code=code).split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "models/[bold]"], "'models/[bold]' is not a reference"),
        (["show", "data/nothing"], "data/nothing"),
        (["show", "data/memos@ffff"], "data/memos@ffff"),
        (["show", "data/memos@1"], "'1' is no version"),
        (["lineage", "nothing"], "not a reference"),
        (["why", "endpoints/dsk"], "endpoints/dsk"),
        (["run", "data/memo"], "data/memo"),
        (["ask", "dsk", "What?"], "'dsk'"),
        (["ask", "desk", "What?"], "SMALL_KEY"),
        (["search", "dsk", "What?"], "'dsk'"),
        (["keys", "create", "--actor", ""], "actor"),
    ],
)
def test_mistakes_in_a_project(made_once: Path, words: list[str], said: str):
    assert said in machine(*words, cwd=made_once, code=2)["error"]["what"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "desk"], "Did you mean 'endpoints/desk'?"),
        (["run", "memos"], "Did you mean 'data/memos'?"),
        (["ask", "knowledge/desk", "What?"], "Known: endpoints/desk, endpoints/open."),
        (["evaluate", "endpoints/desk", "faq"], "Known: none yet."),
        (["search", "endpoints/desk", "What?"], "Known: knowledge/all, knowledge/desk."),
        (["ask", "desk", " "], "Ask something."),
    ],
)
def test_how_a_mistake_is_mended(made_once: Path, words: list[str], said: str):
    assert machine(*words, cwd=made_once, code=2)["error"]["fix"] == said


def test_an_empty_question_leaves_no_trace(made: Path):
    machine("ask", "desk", "", cwd=made.parent, code=2)
    assert machine("traces", cwd=made.parent)["traces"] == []


def test_a_file_in_the_place_of_a_folder_is_a_mistake(tmp_path: Path):
    write(tmp_path, {"a.md": "# A\n", "inhouse.yaml": "project: a\nstore: ./a.md\n"})
    for words in (["init", "a.md"], ["init", "a.md/deeper"]):
        what = machine(*words, cwd=tmp_path, code=2)["error"]["what"]
        assert what == "a.md is a file, not a folder."
    for store in ("./a.md", "./a.md/deeper"):
        write(tmp_path, {"inhouse.yaml": f"project: a\nstore: {store}\n"})
        what = machine("plan", cwd=tmp_path, code=2)["error"]["what"]
        assert what == f"inhouse.yaml:2: '{store}' is not a folder."


def test_tables_fit_a_narrow_terminal(made: Path):
    write(made.parent, {"docs/memos/three.md": "# Three\n\nText.\n"})
    for verb, first in (("plan", "step"), ("ls", "name"), ("models", "ref")):
        lines = person(verb, cwd=made.parent, COLUMNS="80", NO_COLOR="1").splitlines()
        assert lines[0].startswith(first)
        assert all(len(line) <= 80 for line in lines)
        rows = [line for line in lines[1:] if line.startswith(("data/", "models/"))]
        assert rows, lines
        assert all(line.split()[0].count("/") >= 1 for line in rows)  # no name is torn
    planned = person("plan", cwd=made.parent, COLUMNS="80")
    assert "last time" not in planned
    wide = person("plan", cwd=made.parent, COLUMNS="160")
    assert "last time" in wide
    assert "will be made: files: 1 new" in wide
    environ = environment()
    del environ["COLUMNS"]
    done = subprocess.run(
        [*PROGRAM, "plan"], cwd=made.parent, env=environ, capture_output=True, check=True
    )
    assert b"last time" in done.stdout  # a pipe has no width


@pytest.mark.parametrize("words", [["ls"], ["ls", "--json"]])
def test_output_that_nobody_takes(made_once: Path, words: list[str]):
    def shell(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line, "inhouse", *PROGRAM, *words],
            cwd=made_once,
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    head = shell('"$@" | true; exit ${PIPESTATUS[0]}')
    assert (head.returncode in (0, 1), head.stderr) == (True, "")
    assert shell('"$@" >&-').stderr == ""
    full = shell('"$@" > /dev/full')
    assert full.returncode == 1
    assert full.stderr.startswith("error: The output cannot be used: No space left")


def test_the_trace_is_shown_only_on_request(tmp_path: Path):
    assert "Traceback" in inhouse("--debug", "plan", cwd=tmp_path).stderr
    assert "Traceback" not in quickly("plan", cwd=tmp_path).stderr


def test_serving_until_interrupted(made: Path):
    import signal
    import urllib.request

    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", "--json"],
        cwd=made.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            said += process.stdout.readline()
            assert process.poll() is None
        listening = json.loads(said)
        assert listening["endpoints"] == ["desk", "open"]
        with pytest.raises(urllib.request.HTTPError) as refused:
            urllib.request.urlopen(f"{listening['url']}/v1/models", timeout=20)
        assert refused.value.code == 401
        refused.value.close()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert rest == ""
    assert "Traceback" not in errors
    assert process.returncode in (0, 130)
