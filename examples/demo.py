"""From nothing to a cited answer: what `make demo` runs, with the commands that a person types.

It works in the folder `.demo`, over a copy of this project's own documentation, and leaves
nothing running.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

HERE = Path(__file__).parent
ROOT = HERE.parent
FOLDER = ROOT / ".demo"
INHOUSE = str(Path(sys.executable).with_name("inhouse"))
QUESTIONS = (
    "What is a label?",
    "How do I create an API key?",
    "What happens when a stored file is damaged?",
)
ADDED = """
## Where do visitors park?

Visitors park in the yard behind the mill, next to the old crane.
"""

console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Run the demonstration; any failure ends it with the program's own message."""
    started = time.monotonic()
    lay_out()
    step("What will be made, and for whom")
    inhouse("plan")
    step("Pull both models, read the documents, make everything")
    inhouse("run")
    ana, cy = key_for("ana"), key_for("cy")
    step("Serve it on a free port of this machine")
    with server() as url:
        console.print(f"listening at {url}/v1")
        for question in QUESTIONS:
            step(f"ana asks: {question}")
            answer(url, ana, question)
        step("cy, who is not in the group, asks the same")
        answer(url, cy, QUESTIONS[0])
        step("One document changes: only what is new is embedded")
        with (FOLDER / "docs" / "index.md").open("a", encoding="utf-8") as page:
            page.write(ADDED)
        inhouse("plan", "knowledge/docs")
        show_embedded(json.loads(inhouse("run", "--json", quiet=True)))
        step("The same server knows it already. ana asks: Where do visitors park?")
        answer(url, ana, "Where do visitors park?")
    console.print(f"\nDone in {time.monotonic() - started:.0f} s; nothing is left running.")
    console.print("\n[dim]next:[/] cd a folder with documents of yours, then")
    console.print(f"      {INHOUSE} init")
    console.print(f"      {INHOUSE} run")
    console.print(f'      {INHOUSE} ask desk "your question"')


def lay_out() -> None:
    """Start from the example's project file and a copy of the documentation."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    shutil.copy(HERE / "desk" / "inhouse.yaml", FOLDER)
    shutil.copytree(
        ROOT / "docs", FOLDER / "docs", ignore=shutil.ignore_patterns("*.py", "*.json", ".*")
    )


def inhouse(*words: str, quiet: bool = False) -> str:
    """Run the program as a person would; return what it printed if `quiet`."""
    if not quiet:
        console.print(f"[dim]$ inhouse {' '.join(words)}[/]")
    output = subprocess.PIPE if quiet else None
    done = subprocess.run([INHOUSE, *words], cwd=FOLDER, text=True, stdout=output, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout or ""


def key_for(actor: str) -> str:
    """Create an API key for somebody."""
    made = json.loads(inhouse("keys", "create", "--actor", actor, "--json", quiet=True))
    return str(made["key"])


@contextmanager
def server() -> Iterator[str]:
    """Run the server while the block lasts; give its address."""
    command = [INHOUSE, "serve", "--port", "0", "--json"]
    with (
        (FOLDER / "server.log").open("w") as log,
        subprocess.Popen(
            command, cwd=FOLDER, text=True, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        assert process.stdout is not None
        try:
            greeting = process.stdout.readline()
            if not greeting:
                sys.exit((FOLDER / "server.log").read_text())
            yield json.loads(greeting)["url"]
        finally:
            process.terminate()


def answer(url: str, key: str, question: str) -> None:
    """Ask over HTTP, print the answer as it comes and the sections it cites."""
    body = {
        "model": "desk",
        "stream": True,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": question}],
    }
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=300) as response:
            digest = response.headers["x-inhouse-digest"]
            about = show_stream(response)
    except urllib.error.HTTPError as refusal:
        error = json.loads(refusal.read())["error"]
        console.print(f"[red]{refusal.code}[/] {error['message']}")
        return
    for citation in about["citations"]:
        console.print(
            f'[dim][{citation["number"]}] "{" ".join(citation["quote"].split())[:90]}…"[/]'
        )
    seconds = time.monotonic() - started
    console.print(
        f"[dim]{seconds:.1f} s; model digest {digest[:12]}; "
        f"the answer carries the label {about['label']}[/]"
    )


def show_stream(response: Any) -> dict[str, Any]:  # noqa: ANN401
    """Print the pieces of a streamed answer; return what came at its end."""
    about: dict[str, Any] = {}
    for line in response:
        data = line.decode().removeprefix("data: ").strip()
        if not data or data == "[DONE]":
            continue
        chunk = json.loads(data)
        about = chunk.get("inhouse") or about
        for choice in chunk["choices"]:
            console.print(choice["delta"].get("content") or "", end="", markup=False)
    console.print()
    return about


def show_embedded(ran: dict[str, Any]) -> None:
    """Print how many passages were embedded, and how many vectors were taken over."""
    for made in ran["steps"]:
        if made["ref"] == "knowledge/docs":
            count = made["summary"]
            console.print(
                f"{made['ref']}: {count['embedded']} passage embedded, {count['reused']} reused"
            )


def step(title: str) -> None:
    """Print a heading."""
    console.print(f"\n[bold]── {title}[/]")


if __name__ == "__main__":
    main()
