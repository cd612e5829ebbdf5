"""A section that an answer cites is opened for whoever may read it now; and the page's files."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest
from serve_world import World, running, section
from test_serve_door import send

from inhouse.core.artifact import Ref
from inhouse.core.errors import NotFound
from inhouse.core.label import Label
from inhouse.serve.app import create_app
from inhouse.serve.static import FOLDER
from inhouse.serve.turnstile import Turnstile


def opened(world: World, url: str, actor: str = "ana", **query: object) -> tuple[int, dict]:
    query = {"source": world.handbook.pinned, "id": "s0", **query}
    path = f"/v1/sections?{urlencode({k: v for k, v in query.items() if v is not None})}"
    status, found, _ = send(url, "GET", path, key=world.key(actor)[1])
    return status, found


def test_a_section_is_opened(world: World, url: str):
    status, found = opened(world, url, "cy")
    assert status == 200
    assert found["text"] == "Parents get ten weeks. With pay."
    assert (found["headings"], found["document"]) == (["Leave", "Parental"], "leave.md")
    assert found["source"] == world.handbook.pinned
    assert (found["current"], found["inhouse"]) == (True, {"label": "open"})


def test_an_older_version_is_opened_and_said_to_be_one(world: World, url: str):
    world.put("data/handbook", "newer")
    assert opened(world, url)[1]["current"] is False


def test_the_label_of_now_decides(world: World, url: str):
    memos = {"source": world.memos.pinned, "id": "s1"}
    assert opened(world, url, **memos)[1]["inhouse"] == {"label": "buy-side"}
    status, found = opened(world, url, "cy", **memos)
    assert (status, found["error"]["code"]) == (403, "refused")
    assert not world.catalog.audit(last=1)[0].allowed
    world.catalog.access.set_label(world.handbook, Label.parse("it"), by="admin")
    assert opened(world, url)[0] == 403
    world.catalog.delete(world.memos, by="admin")
    status, found = opened(world, url, **memos)
    assert (status, "it was deleted" in found["error"]["message"]) == (403, True)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"id": "s9"}, 404, "no section 's9'"),
        ({"source": "data/handbook"}, 400, "names no version"),
        ({"source": "…"}, 400, "names no version"),
        ({"source": f"data/handbook@{'0' * 64}"}, 403, "there is no such version"),
        ({"source": None}, 400, "'source' is missing"),
        ({"id": ""}, 400, "'id' cannot be"),
        ({"ids": "s0"}, 400, "Did you mean 'id'?"),
    ],
)
def test_what_is_not_there(world: World, url: str, query: dict, status: int, said: str):
    found = opened(world, url, **query)
    assert (found[0], said in found[1]["error"]["message"]) == (status, True), found


def test_a_version_that_was_collected_says_so(world: World, url: str):
    def gone(source: Ref, id: str) -> None:
        raise NotFound("artifact", str(source), ())

    world.engines.section = gone
    status, found = opened(world, url)
    assert (status, "is no longer kept here" in found["error"]["message"]) == (404, True)


@pytest.fixture
def get(url: str) -> Iterator:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)

    def get(path: str) -> tuple[http.client.HTTPResponse, str]:
        connection.request("GET", path)
        response = connection.getresponse()
        return response, response.read().decode()

    yield get
    connection.close()


def test_the_page_and_its_files_come_from_here_alone(get):
    for path in ("/", *(f"/page/{file.name}" for file in FOLDER.iterdir() if file.stem != "index")):
        response, text = get(path)
        assert response.status == 200, path
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert set(re.findall(r"\w+://[\w.]+", text)) <= {"http://www.w3.org"}
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, path
    assert get("/page/index.html")[0].status == 404
    assert get("/page/../app.py")[0].status == 404


def test_no_script_or_style_stands_within_the_page(get):
    _, text = get("/")
    assert " style=" not in text
    assert "<style" not in text
    assert " on" not in "".join(part for part in text.split("<") if part.startswith("button"))
    assert text.count("<script") == text.count('<script type="module" src="page/') == 1


def test_sections_of_several_sources_do_not_mix(world: World):
    world.engines.retriever_double.sections = [
        section(world.handbook, 0, "One", "Open."),
        section(world.memos, 0, "One", "Closed."),
    ]
    with running(create_app(world.house)) as listening:
        assert opened(world, listening.url, "cy")[1]["text"] == "Open."
        assert opened(world, listening.url, source=world.memos.pinned)[1]["text"] == "Closed."


def test_only_data_has_sections(world: World, url: str):
    status, found = opened(world, url, source=world.analyst.pinned)
    assert (status, found["error"]["param"]) == (400, "source")


def test_a_section_takes_its_turn(world: World, url: str):
    world.house.turnstile = Turnstile(0, 0)
    status, found = opened(world, url)
    assert (status, found["error"]["code"]) == (429, "overloaded")
