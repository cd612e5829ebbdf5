"""No page speaks of what is not there: modules, files, routes, variables, make targets."""

import importlib
import re
from pathlib import Path

import pytest
from docs_pages import OTHERS, PAGES, ROOT, inline

from inhouse.data.parse import CONTAINERS, PARSERS
from inhouse.data.tables import READERS
from inhouse.models.builtin import BUILTINS
from inhouse.serve import app as door
from inhouse.serve.bodies import ChatBody

EVERY = [*PAGES, *OTHERS]
SOURCES = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py"))


def name_of(page):
    return str(page.relative_to(ROOT))


def words(page):
    return inline(page)


def exists(dotted):
    """Say whether ``inhouse.a.b`` or ``inhouse.a.b.Name`` is there."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part, None)
        return found is not None
    return False


@pytest.mark.parametrize("page", EVERY, ids=name_of)
def test_modules_exist(page):
    files = {"inhouse.yaml", "inhouse.schema.json"}
    for code in words(page):
        if re.fullmatch(r"inhouse(\.\w+)+", code) and code not in files:
            assert exists(code), f"{name_of(page)}: there is no {code}"


@pytest.mark.parametrize("page", EVERY, ids=name_of)
def test_routes_exist(page):
    shown = set(re.findall(r"(?<![\w.:])(/v1/[a-z/]+[a-z]|/healthz)", page.read_text("utf-8")))
    served = set(re.findall(r'"(/v1/[a-z/]+|/healthz)"', Path(door.__file__).read_text("utf-8")))
    assert shown <= served


@pytest.mark.parametrize("page", EVERY, ids=name_of)
def test_environment_variables_exist(page):
    shown = set(re.findall(r"(?<!\$)\bINHOUSE_[A-Z]+\b", page.read_text("utf-8")))
    known = set(re.findall(r"\bINHOUSE_[A-Z]+\b", SOURCES)) | {"INHOUSE_DATA"}
    assert shown <= known


@pytest.mark.parametrize("page", EVERY, ids=name_of)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    shown = set(
        re.findall(
            r"\bmake ([a-z]+)\b", " ".join(re.findall(r"`make [^`]*`", page.read_text("utf-8")))
        )
    )
    assert shown <= targets


@pytest.mark.parametrize("page", EVERY, ids=name_of)
def test_files_of_the_repository_exist(page):
    for code in words(page):
        made = "/docs/" in code or "/." in code  # by a run, or by a bench
        if re.fullmatch(r"(?:src|tests|docs|bench)/[\w./-]*", code) and not made:
            assert (ROOT / code).exists(), f"{name_of(page)}: there is no {code}"


def test_every_built_in_model_is_in_the_page_of_models():
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    for built_in in BUILTINS.values():
        assert f"`{built_in.name}`" in text
        assert built_in.licence in text


def test_the_fields_of_a_request_are_all_shown():
    text = (ROOT / "docs" / "serve.md").read_text("utf-8")
    section = text.partition("## Which fields of a request are supported?")[2].partition("\n## ")[0]
    shown = set(re.findall(r"`(\w+)`", section.partition("A field that")[0]))
    assert shown == set(ChatBody.model_fields)


def test_the_formats_of_documents_are_all_shown():
    text = (ROOT / "docs" / "data.md").read_text("utf-8")
    section = text.partition("## Which formats are read?")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\.[\w.]+)`", section)) == {*PARSERS, *CONTAINERS, *READERS}


def test_every_room_has_a_page():
    rooms = {p.parent.name for p in (ROOT / "src" / "inhouse").glob("*/__init__.py")} - {"cli"}
    assert {f"{room}.md" for room in rooms} <= {page.name for page in PAGES}
