"""The chat page in a real browser: a real server, the built-in models, documents, and an API.

It needs Chromium, as Debian packs it; playwright only drives it.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from project_processes import started
from small_project import copied, inhouse, opened, write

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]
QUIET = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PROJECT = """\
project: mill
groups: {team: [ana]}
data: {memos: {from: ./memos, label: team}}
models:
  base: {from: smollm2-135m-instruct}
  minilm: {from: minilm-l6}
knowledge: {memos: {from: data/memos, embed: models/minilm}}
endpoints:
  desk: {model: models/base, knowledge: knowledge/memos, mode: extract}
  echo: {model: {api: "http://127.0.0.1:PORT/v1", name: echo}}
  gone: {model: {api: "http://127.0.0.1:9/v1", name: gone}}
"""
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
MEMO = f"""\
# Visitors

## Where do visitors park?

Visitors park in the yard behind the mill, next to the **old crane**. {HOSTILE}

It is closed on Sundays.

## How long is leave?

Parents get ten weeks of paid leave.
"""
# What is markup in a browser, and what would be in Markdown.
SAID = f"""\
{HOSTILE}

- **bold** and `code`
- [a link](javascript:document.title='owned')

```
<b>not bold</b>
```

![x](http://127.0.0.1:9/x.png) <a href="javascript:document.title='owned'">here</a> [1]
"""


class Echo(BaseHTTPRequestHandler):
    """Somebody's API, which says what is hostile, or goes on until its client has left."""

    left = threading.Event()
    heard: ClassVar[list[list[dict[str, str]]]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.heard.append(asked["messages"])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if asked["messages"][-1]["content"] == "Go on and on":
            self._go_on()
        else:
            self._say(SAID)
            self._say("", finish_reason="stop")
            self.wfile.write(b"data: [DONE]\n\n")

    def _go_on(self) -> None:
        try:
            while not self.left.wait(0.02):
                self._say("word. ")
        except OSError:
            self.left.set()

    def _say(self, text: str, **more: str) -> None:
        line = json.dumps({"choices": [{"index": 0, "delta": {"content": text}, **more}]})
        self.wfile.write(f"data: {line}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


class House:
    """A served project: where, a key, and the verbs."""

    def __init__(self, folder: Path, url: str, key: str) -> None:
        self.folder, self.url, self.key = folder, url, key

    def say(self, *words: str) -> Any:
        done = inhouse(*words, "--json", cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def house(weights_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("page")
    text = PROJECT.replace("PORT", str(upstream.server_port))
    write(folder, {"inhouse.yaml": text, "memos/visitors.md": MEMO})
    copied(weights_store / ".inhouse", folder / ".inhouse")
    with opened(folder / "inhouse.yaml") as project:
        project.run()
    key = inhouse("keys", "create", "--actor", "ana", "--json", cwd=folder)
    with started("serve", "--port", "0", "--json", cwd=folder, OMP_NUM_THREADS="2") as server:
        url = json.loads(server.until('"url"'))["url"]
        yield House(folder, url, json.loads(key.stdout)["key"])
    upstream.shutdown()
    upstream.server_close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"), executable_path=CHROMIUM, args=QUIET
        )
        context.set_default_timeout(60_000)
        yield context
        context.close()


class Visit:
    """A person before the page."""

    def __init__(self, page: Any, house: House) -> None:
        self.page, self.house = page, house
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.goto(house.url)

    def enter(self, key: str = "", endpoint: str = "desk") -> None:
        self.page.keyboard.type(key or self.house.key)  # the field has the focus
        self.page.keyboard.press("Enter")
        if not key:
            self.page.wait_for_selector("#room:not([hidden])")
            self.page.select_option("#endpoint", endpoint)

    def ask(self, question: str) -> Any:
        """Ask by the keyboard; return the turn once it is over."""
        self.page.focus("#question")
        self.page.keyboard.type(question)
        self.page.keyboard.press("Enter")
        return self.over()

    def over(self) -> Any:
        self.page.wait_for_selector("#stop", state="hidden")
        return self.page.locator(".turn").last

    def no_scroll(self) -> None:
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.page.viewport_size["width"]


@pytest.fixture
def visit(browser: Any, house: House) -> Iterator[Visit]:
    page = browser.new_page()
    made = Visit(page, house)
    yield made
    # Nothing was asked of anybody else, the key stood in no address, and nothing was forbidden.
    assert all(url.startswith(house.url) and house.key not in url for url in made.asked)
    assert [c for c in made.complaints if "the server responded with" not in c] == []
    page.close()


def test_from_the_key_to_the_section_and_a_thumb(visit: Visit, house: House):
    page = visit.page
    visit.enter("ih-wröng")
    assert page.inner_text("#key-problem") == "This is not a key; one begins with ih-."
    page.fill("#key", "")
    visit.enter("ih-wrong")
    page.locator("#key-problem", has_text="is not known here").wait_for()
    visit.enter()
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 2]
    assert page.locator("#endpoint option").all_inner_texts() == ["desk", "echo", "gone"]

    turn = visit.ask("Where do visitors park?")
    answer = turn.locator(".answer")
    assert "behind the mill, next to the old crane" in answer.inner_text()
    assert "Sources:" not in answer.inner_text()
    assert answer.locator("strong").inner_text() == "old crane"
    meta = turn.locator(".meta").inner_text()
    assert "models/base" in meta
    assert "team" in meta
    assert " s" in meta
    assert "behind the mill" in page.locator("#heard").inner_text()

    chip = answer.locator("button.chip").first
    chip.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel-facts dt")
    assert page.inner_text("#panel-path") == (
        "memos/visitors.md › Visitors › Where do visitors park?"
    )
    assert "It is closed on Sundays." in page.inner_text("#panel-text")
    marked = "".join(page.locator("#panel-text mark").all_inner_texts())
    assert marked.startswith("Visitors park in the yard behind the mill, next to the old crane.")
    assert HOSTILE in page.inner_text("#panel-text")
    assert "data/memos@" in page.inner_text("#panel-facts")
    page.keyboard.press("Escape")
    assert page.locator("#panel").is_hidden()
    assert chip.evaluate("it => it === document.activeElement")

    turn.locator(".down").click()
    turn.locator(".correct textarea").fill("Behind the new mill.")
    turn.locator(".correct .primary").click()
    turn.locator(".thanks", has_text="Thank you").wait_for()
    (trace,) = house.say("traces", "--feedback", "bad")["traces"]
    assert trace["request"]["messages"][-1]["content"] == "Where do visitors park?"
    (said,) = house.say("feedback")["feedback"]
    assert (said["actor"], said["correction"]) == ("ana", "Behind the new mill.")
    assert page.title() == "desk · inhouse"


def test_a_server_that_is_busy_forgets_no_key(visit: Visit, house: House):
    page, problem = visit.page, json.dumps({"error": {"message": "Come back later."}})
    page.route("**/v1/models", lambda it: it.fulfill(status=503, body=problem))
    page.keyboard.type(house.key)
    page.keyboard.press("Enter")
    page.locator("#key-problem", has_text="Come back later.").wait_for()
    page.unroute("**/v1/models")
    page.keyboard.press("Enter")  # the key still stands in its field
    page.locator("#endpoint").wait_for()


def test_a_newer_version_of_the_documents_does_not_close_a_citation(visit: Visit, house: House):
    visit.enter()
    turn = visit.ask("How long is leave?")
    write(house.folder, {"memos/visitors.md": MEMO.replace("ten weeks", "eleven weeks")})
    with opened(house.folder / "inhouse.yaml") as project:
        project.run()
    turn.locator(".sources button").first.click()
    visit.page.wait_for_selector("#panel-facts dt")
    assert "ten weeks" in visit.page.inner_text("#panel-text")
    assert "newer version" in visit.page.inner_text("#panel-notice")


def test_a_refusal_looks_like_one(visit: Visit):
    visit.enter()
    turn = visit.ask("What is the capital of Mongolia?")
    assert "refused" in turn.get_attribute("class")
    assert turn.locator(".verdict").inner_text() == "Not answered"
    assert "no answer" in turn.locator(".sources h3").inner_text()


def test_what_a_model_says_is_text(visit: Visit):
    visit.enter(endpoint="echo")
    turn = visit.ask(HOSTILE)
    answer = turn.locator(".answer")
    assert turn.locator(".asked").inner_text() == HOSTILE
    assert HOSTILE in answer.inner_text()
    assert turn.locator("img, script, a, b, iframe").count() == 0
    assert answer.locator("li strong").inner_text() == "bold"
    assert answer.locator("pre code").inner_text() == "<b>not bold</b>"
    assert "[1]" in answer.inner_text()  # a number without a source is no chip
    visit.page.wait_for_timeout(200)
    assert visit.page.title() == "echo · inhouse"
    # The next question carries what came before.
    visit.ask("And then?")
    roles = [(m["role"], m["content"][:4]) for m in Echo.heard[-1]]
    assert roles == [("user", "<img"), ("assistant", "<img"), ("user", "And ")]
    # What was said here is not for another endpoint.
    visit.page.select_option("#endpoint", "desk")
    visit.page.select_option("#endpoint", "echo")
    visit.ask("Once more")
    assert len(Echo.heard[-1]) == 1


def test_stop_stops_the_model(visit: Visit):
    page = visit.page
    visit.enter(endpoint="echo")
    Echo.left.clear()
    page.fill("#question", "Go on and on")
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn .answer p")
    page.click("#stop")
    turn = visit.over()
    assert Echo.left.wait(20)
    assert turn.locator(".verdict").inner_text() == "You stopped this answer"
    assert "word." in turn.locator(".answer").inner_text()
    assert page.locator("#question").evaluate("it => it === document.activeElement")


def test_errors_are_sentences(visit: Visit):
    page = visit.page
    visit.enter(endpoint="gone")
    turn = visit.ask("Hello?")
    assert turn.locator(".problem").inner_text().endswith(".")
    assert turn.locator(".answer").inner_text() == ""
    turn.locator(".again").click()
    visit.over().locator(".problem:not([hidden])").wait_for()
    assert page.locator(".turn").count() == 1
    page.keyboard.press("Tab")
    page.focus("#question")
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    assert page.input_value("#question") == "one\ntwo"
    page.click("#leave")
    assert page.locator("#room").is_hidden()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_narrow_screen_needs_no_scrolling_aside(visit: Visit):
    page = visit.page
    page.set_viewport_size({"width": 375, "height": 667})
    visit.no_scroll()
    visit.enter(endpoint="echo")
    visit.no_scroll()
    visit.ask("x" * 300)
    visit.no_scroll()
    page.select_option("#endpoint", "desk")
    turn = visit.ask("Where do visitors park?")
    turn.locator("button.chip").first.click()
    page.wait_for_selector("#panel-facts dt")
    visit.no_scroll()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        ink, paper = page.evaluate(
            "(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))"
        )
        assert ink != paper
