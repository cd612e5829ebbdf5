"""What a newcomer types, with the real models: the README, the examples, the public client."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import openai
import pytest
from small_project import PROGRAM, copied, write

from inhouse.project.read import read

ROOT = Path(__file__).parents[2]
PAGES = {
    "leave.md": "# Leave\n\n## How many days of leave are there?\n\nEverybody has thirty days of "
    "leave a year. Days that are left over expire in March.\n",
    "parking.md": "# Parking\n\n## Where do visitors park?\n\nVisitors park in the yard behind "
    "the mill, next to the old crane.\n",
}


def typed(*words: str, cwd: Path, actor: str = "ana") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words],
        cwd=cwd,
        env=os.environ | {"INHOUSE_ACTOR": actor, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=150,
    )


@pytest.fixture(scope="module")
def desk(weights_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's next commands, in a folder with two documents; models are there already."""
    folder = write(tmp_path_factory.mktemp("readme") / "desk", PAGES)
    assert typed("init", cwd=folder).returncode == 0
    copied(weights_store / ".inhouse", folder / ".inhouse")
    ran = typed("run", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder


def readme_commands() -> list[list[str]]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.partition("## Then, in a folder")[2]
    lines = re.findall(r"^inhouse (.+?)(?:\s+#.*)?$", block, re.MULTILINE)
    return [re.findall(r'"[^"]*"|\S+', line) for line in lines]


@pytest.mark.weights
def test_the_readme_commands_work(desk: Path):
    commands = [[word.strip('"') for word in words] for words in readme_commands()]
    assert [words[0] for words in commands] == [
        "init", "plan", "run", "ask", "why", "keys", "serve", "run", "search",
    ]  # fmt: skip
    for words in commands:
        if words[0] not in ("init", "serve") and "--watch" not in words:  # done before; do not end
            done = typed(*words, cwd=desk)
            assert done.returncode == 0, (words, done.stderr)
            assert done.stdout.strip()


@pytest.mark.weights
def test_an_answer_is_true_and_cited(desk: Path):
    said = typed("ask", "desk", "Where do visitors park?", "--json", cwd=desk)
    answer = json.loads(said.stdout)
    assert "behind the mill" in answer["answer"]
    assert answer["citations"][0]["link"] == "parking.md#where-do-visitors-park"
    assert answer["label"] == "team"
    assert re.fullmatch(r"[0-9a-f]{64}", answer["digest"])


@pytest.mark.weights
def test_a_stranger_is_refused(desk: Path):
    said = typed("ask", "desk", "Where do visitors park?", cwd=desk, actor="bo")
    assert said.returncode == 2
    assert "data/documents carries team" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.fixture(scope="module")
def server(desk: Path) -> Iterator[tuple[str, int]]:
    with subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", "--json"],
        cwd=desk,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            greeting = json.loads(process.stdout.readline())
            yield greeting["url"], process.pid
        finally:
            process.terminate()


@pytest.fixture
def client(desk: Path, server: tuple[str, int]) -> Iterator[openai.OpenAI]:
    made = typed("keys", "create", "--actor", "ana", "--json", cwd=desk)
    key = json.loads(made.stdout)["key"]
    with openai.OpenAI(base_url=f"{server[0]}/v1", api_key=key, max_retries=0) as made_client:
        yield made_client


QUESTION = [{"role": "user", "content": "How many days of leave are there?"}]


@pytest.mark.weights
def test_the_public_client_gets_a_whole_answer(client: openai.OpenAI):
    answer = client.chat.completions.create(model="desk", messages=QUESTION, max_tokens=60)
    text = answer.choices[0].message.content
    assert "thirty days" in text
    assert "Sources:\n[1] leave.md" in text
    assert answer.usage.prompt_tokens > 20
    assert answer.model_extra["inhouse"]["citations"][0]["document"] == "leave.md"


@pytest.mark.weights
def test_the_public_client_gets_a_streamed_answer(client: openai.OpenAI):
    stream = client.chat.completions.create(
        model="desk",
        messages=QUESTION,
        max_tokens=60,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "thirty days" in text
    assert chunks[-1].usage.total_tokens > 20


@pytest.mark.weights
def test_the_public_client_gets_vectors(client: openai.OpenAI):
    assert {m.id for m in client.models.list()} == {"desk", "minilm"}
    found = client.embeddings.create(model="minilm", input=["a day off", "the yard"])
    assert [len(item.embedding) for item in found.data] == [384, 384]
    assert found.usage.prompt_tokens == 9


@pytest.mark.weights
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the engine through /proc")
def test_an_engine_that_was_killed_is_started_anew(client: openai.OpenAI, server: tuple[str, int]):
    def ask() -> str | None:
        answer = client.chat.completions.create(model="desk", messages=QUESTION, max_tokens=30)
        return answer.choices[0].message.content

    assert ask()
    workers = [
        int(child)
        for task in Path(f"/proc/{server[1]}/task").glob("*/children")
        for child in task.read_text().split()
        if "worker" in Path(f"/proc/{child}/cmdline").read_text()
    ]
    assert workers
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    with pytest.raises(openai.APIStatusError, match="engine has stopped"):
        ask()
    assert "thirty days" in str(ask())


def test_the_example_is_a_project():
    project, _ = read(ROOT / "examples" / "desk" / "inhouse.yaml")
    assert list(project.endpoints) == ["desk"]


@pytest.mark.slow
@pytest.mark.weights
def test_the_demo_runs_and_leaves_nothing_running():
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "demo.py"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "1 passage embedded" in done.stdout
    assert "carries team" in done.stdout
    assert "nothing is left running" in done.stdout


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.timeout(600)
def test_the_wheel_works_away_from_the_clone(tmp_path: Path):
    built = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(built, check=True, capture_output=True)
    with ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert "inhouse/serve/page/index.html" in wheel.namelist()
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    programs = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [programs / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
    subprocess.run([*pip, next(tmp_path.glob("*.whl"))], check=True, capture_output=True)
    folder = write(tmp_path / "desk", PAGES)
    said = ""
    for words in (["init"], ["run"], ["ask", "desk", "Where do visitors park?"]):
        done = subprocess.run(
            [programs / "inhouse", *words], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        said = done.stdout
    assert "behind the mill" in said


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.skipif("INHOUSE_DATA" not in os.environ, reason="INHOUSE_DATA names no folder")
def test_thirty_pages_of_a_handbook(weights_store: Path, tmp_path: Path):
    pages = Path(os.environ["INHOUSE_DATA"], "handbook-18f", "files", "pages")
    for page in sorted(pages.rglob("*.md"))[:30]:
        target = tmp_path / page.relative_to(pages)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, target)
    copied(weights_store / ".inhouse", tmp_path / ".inhouse")
    for words in (["init"], ["plan"], ["run"]):
        done = typed(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    for question in ("What is the mission of TTS?", "Who may join the Digital Council?"):
        answer = json.loads(typed("ask", "desk", question, "--json", cwd=tmp_path).stdout)
        assert answer["citations"]
        for citation in answer["citations"]:
            text = (tmp_path / citation["document"]).read_text(encoding="utf-8")
            assert citation["quote"] in text, "a quotation stands word for word in its document"
    again = json.loads(typed("run", "--json", cwd=tmp_path).stdout)
    assert not any(step["made"] for step in again["steps"])
