"""Every mistake in inhouse.yaml is one sentence with file, line, key and the nearest match."""

from __future__ import annotations

from pathlib import Path

import pytest

from inhouse.core.errors import ProjectError
from inhouse.project.read import read

BASE = """\
project: small
groups: {hr: [ana], legal: [bo]}
data:
  memos: {from: ./memos}
models:
  minilm: {from: minilm-l6}
  base: {from: smollm2-135m-instruct}
knowledge:
  desk: {from: data/memos, embed: models/minilm}
endpoints:
  desk: {model: models/base, knowledge: knowledge/desk}
"""

# What to replace, by what, the line it is reported at, and words of the error.
MISTAKES = {
    "unknown key": ("project:", "projekt:", 1, ["'projekt'", "'project'"]),
    "unknown key in data": (
        "{from: ./memos}",
        "{from: ./memos, labl: hr}",
        4,
        ["memos.labl", "'label'"],
    ),
    "a cluster without steps": (
        "{from: ./memos}",
        "{from: ./memos, on: 'ray://head:10001'}",
        4,
        ["only 'steps' are done on a cluster", "Take 'on' out"],
    ),
    "no cluster": (
        "{from: ./memos}",
        "{from: data/others, steps: [dedup], on: head}",
        4,
        ["'head' is no Ray cluster", "ray://head:10001"],
    ),
    "unknown key, nothing near": (
        "{from: ./memos}",
        "{from: ./m, zzz: 1}",
        4,
        ["Known here: from, kind, label"],
    ),
    "key of another entry": ("embed:", "embedd:", 9, ["knowledge.desk.embedd", "'embed'"]),
    "missing key": ("{from: minilm-l6}", "{licence: MIT}", 6, ["models.minilm.from", "missing"]),
    "missing project": ("project: small", "store: ./s", None, ["'project' is missing"]),
    "missing embedder": (", embed: models/minilm", "", 9, ["knowledge.desk.embed", "missing"]),
    "bad name": ("  memos:", "  Memos:", 4, ["'Memos' is no name", "lower-case"]),
    "name with a slash": ("  memos:", "  a/b:", 4, ["'a/b' is no name"]),
    "number as a name": ("  memos:", "  7:", 4, ["no name"]),
    "bad project name": ("small", "My Project", 1, ["'My Project' is no name"]),
    "list for a mapping": ("{from: ./memos}", "[./memos]", 4, ["data.memos", "from, kind, label"]),
    "word for a mapping": ("{from: ./memos}", "./memos", 4, ["from, kind, label", "./memos"]),
    "nothing for a mapping": ("{from: ./memos}", "", 4, ["data.memos", "from, kind, label"]),
    "mapping for a word": (
        "from: minilm-l6",
        "from: {a: b}",
        6,
        ["models.minilm.from", "text should"],
    ),
    "number for a word": ("from: ./memos", "from: 7", 4, ["data.memos.from", "neither text nor a"]),
    "empty list": ("from: ./memos", "from: []", 4, ["data.memos.from", "at least 1"]),
    "empty word": ("from: minilm-l6", "from: ''", 6, ["models.minilm.from", "text should"]),
    "number in a list": ("from: ./memos", "from: [a, 7]", 4, ["item 2 of 'data.memos.from'"]),
    "unknown data": ("from: data/memos", "from: data/memo", 9, ["'data/memo'", "'data/memos'"]),
    "bare reference": ("from: data/memos", "from: memos", 9, ["'memos'", "'data/memos'"]),
    "wrong section": ("embed: models/minilm", "embed: data/memos", 9, ["models of this file"]),
    "unknown model": ("model: models/base", "model: models/bse", 11, ["'models/base'"]),
    "unknown knowledge": ("knowledge/desk}", "knowledge/dsk}", 11, ["'knowledge/desk'"]),
    "itself": ("from: ./memos", "from: data/memos", 4, ["circle", "data/memos -> data/memos"]),
    "circle": (
        "{from: ./memos}",
        "{from: data/b}\n  b: {from: data/c}\n  c: {from: data/memos}",
        None,
        ["circle", "->"],
    ),
    "unknown group": ("./memos}", "./memos, label: hrr}", 4, ["no group 'hrr'", "'hr'"]),
    "unknown group in a wall": ("data:", "walls: [[hr, legl]]\ndata:", 3, ["'legl'", "'legal'"]),
    "both sides of a wall": ("[bo]}", "[bo, ana]}\nwalls: [[hr, legal]]", 2, ["ana", "wall"]),
    "wall with one side": (
        "data:",
        "walls: [[hr]]\ndata:",
        3,
        ["item 1 of 'walls'", "at least 2 should stand here, not 1."],
    ),
    "open with a capital": ("./memos}", "./memos, label: Open}", 4, ["Did you mean 'open'?"]),
    "days without a unit": (
        "data:",
        "traces: {keep: 90}\ndata:",
        3,
        ["'traces.keep' is wrong: 90 is no number of days. Write such as 90d"],
    ),
    "size without a unit": (
        "data:",
        "serve: {body: 4}\ndata:",
        3,
        ["'serve.body' is wrong: 4 is no size. Write such as 512KiB or 4MiB."],
    ),
    "nobody is answered": ("data:", "serve: {concurrent: 0}\ndata:", 3, ["serve.concurrent"]),
    "empty clause": ("./memos}", "./memos, label: 'hr & '}", 4, ["empty place"]),
    "blank label": ("./memos}", "./memos, label: }", 4, ["'data.memos.label' is empty", "Write a"]),
    "reserved group": ("hr:", "open:", 2, ["'open' cannot name a group"]),
    "group with a space": ("hr:", "h r:", 2, ["'h r' cannot name a group"]),
    "people as a word": ("[ana]", "ana", 2, ["groups.hr", "list", "Write [ana]."]),
    "top too large": (
        "knowledge/desk}",
        "knowledge/desk, top: 51}",
        11,
        ["endpoints.desk.top", "51"],
    ),
    "top as a word": (
        "knowledge/desk}",
        "knowledge/desk, top: many}",
        11,
        ["whole number", "many"],
    ),
    "top as a truth": ("knowledge/desk}", "knowledge/desk, top: true}", 11, ["desk.top", "True"]),
    "a writer that is to embed": (
        "embed: models/minilm",
        "embed: models/base",
        9,
        ["'models/base' is a language model, and an embedder is wanted here"],
    ),
    "an embedder that is to write": (
        "model: models/base",
        "model: models/minilm",
        11,
        ["'models/minilm' is an embedder, and a language model is wanted here"],
    ),
    "precision of an embedder": (
        "{from: minilm-l6}",
        "{from: minilm-l6, precision: int4}",
        6,
        ["'precision' changes nothing here", "language models"],
    ),
    "precision of what is used as an embedder": (
        "{from: minilm-l6}",
        "{precision: int8, from: 'file:x'}",
        6,
        ["'precision' changes nothing here"],
    ),
    "engine of an embedder": (
        "{from: minilm-l6}",
        "{from: minilm-l6, engine: llama}",
        6,
        ["'engine' changes nothing here", "language models"],
    ),
    "adapter of an embedder": (
        "{from: minilm-l6}",
        "{from: minilm-l6, adapter: ./lora}",
        6,
        ["'adapter' changes nothing here", "language models"],
    ),
    "adapter for an engine that takes none": (
        "{from: smollm2-135m-instruct}",
        "{from: smollm2-135m-instruct, engine: llama, adapter: ./lora}",
        7,
        ["llama-server runs a GGUF file as it is", "or the adapter"],
    ),
    "precision for an engine that keeps none": (
        "{from: smollm2-135m-instruct}",
        "{from: smollm2-135m-instruct, engine: llama, precision: int4}",
        7,
        ["llama runs weights as they are and cannot keep them as int4", "take 'engine' out"],
    ),
    "unknown engine": (
        "{from: smollm2-135m-instruct}",
        "{from: smollm2-135m-instruct, engine: lama}",
        7,
        ["models.base.engine", "llama"],
    ),
    **{
        f"{key} without knowledge": (
            "knowledge: knowledge/desk}",
            f"{key}: {value}}}",
            11,
            [f"'{key}' changes nothing at an endpoint without knowledge", "name a knowledge"],
        )
        for key, value in {
            "top": 3,
            "check": "false",
            "mode": "extract",
            "support": 0.7,
            "rewrite": "true",
        }.items()
    },
    "bad digest": (
        "{from: minilm-l6}",
        "{from: minilm-l6, sha256: abc}",
        6,
        ["models.minilm.sha256", "'abc' is no sha256", "64 digits"],
    ),
    "unknown store": (
        "embed: models/minilm}",
        "embed: models/minilm, store: 'lance://'}",
        9,
        ["knowledge.desk.store", "'sqlite' or 'lance', not 'lance://'"],
    ),
    "api without a name": (
        "model: models/base",
        "model: {api: 'https://x/v1'}",
        11,
        ["model.name"],
    ),
    "unknown key of an api": (
        "model: models/base",
        "model: {api: 'https://x/v1', name: n, kee: 1}",
        11,
        ["endpoints.desk.model.kee", "'key'"],
    ),
    "api that is no address": (
        "model: models/base",
        "model: {api: x, name: n}",
        11,
        ["base URL"],
    ),
    "key twice": ("data:", "project: again\ndata:", 3, ["'project' stands here twice"]),
    "entry twice": ("models:", "  memos: {from: ./x}\nmodels:", 5, ["'memos' stands here twice"]),
    "entry named like a key": (
        "  memos:",
        "  from: {labl: hr}\n  memos:",
        4,
        ["from.labl", "'label'"],
    ),
    "list as a key": ("{from: ./memos}", "{[from]: ./memos}", 4, ["cannot be a key"]),
    "list for the entries": ("  memos:", " - memos:", 3, ["'data'", "names"]),
    "bad indentation": ("models:", " models:", 5, ["not YAML"]),
    "open bracket": ("[ana]", "[ana", 2, ["not YAML"]),
    "unknown alias": ("./memos", "*nothing", 4, ["not YAML", "nothing"]),
    "a tag of Python's": ("./memos", "!!python/name:os.system x", 4, ["not YAML", "python/name"]),
    "no such day": ("./memos", "2026-02-31", None, ["not YAML", "day"]),
    "a second document": ("data:", "---\ndata:", 3, ["another document"]),
    "a character that cannot stand": ("small", "sm\x07all", None, ["not YAML"]),
    "only a list": (BASE, "- a\n- b\n", 1, ["the file is wrong", "project"]),
    "only a word": (BASE, "hello", 1, ["the file is wrong", "project"]),
    "empty": (BASE, "", None, ["empty"]),
    "only comments": (BASE, "# nothing\n", None, ["empty"]),
    "nothing": (BASE, "~", 1, ["the file is wrong"]),
    "nested too deeply": (BASE, "a: " + "[" * 5000, None, ["nested too deeply"]),
}


@pytest.mark.parametrize(("old", "new", "line", "words"), MISTAKES.values(), ids=list(MISTAKES))
def test_mistakes(tmp_path: Path, old: str, new: str, line: int | None, words: list[str]):
    file = tmp_path / "inhouse.yaml"
    assert BASE.count(old) == 1
    file.write_text(BASE.replace(old, new), encoding="utf-8")
    with pytest.raises(ProjectError) as raised:
        read(file)
    error = raised.value
    assert error.what.startswith(f"{file}:{line}: " if line else str(file))
    assert error.exit_code == 2
    for word in words:
        assert word in f"{error.what} {error.fix}"
    assert "\n" not in error.what + error.fix
    assert error.what.endswith(".")
    assert len(error.what) < 300 + len(str(file))
    for ours in ("ProjectFile", "pydantic", "Endpoint", "dictionary"):
        assert ours not in f"{error.what} {error.fix}"


def test_the_base_has_no_mistake(tmp_path: Path):
    file = tmp_path / "inhouse.yaml"
    file.write_text(BASE, encoding="utf-8")
    project, _ = read(file)
    assert project.data["memos"].sources == ["./memos"]
    file.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert read(file)[0] == project


@pytest.mark.parametrize(
    "model",
    [
        "{api: 'https://x.example/v1', name: n, key: SECRET}",
        "{api: 'https://x.example/v1', name: n, key: [SECRET]}",
        "{api: 'https://x.example/v1', name: n, key: {a: SECRET}}",
        "{api: 'https://x.example/v1', name: n, key: '${A} SECRET'}",
        "{api: 'https://x.example/v1', name: n, token: SECRET}",
        "{api: 'https://ana:SECRET@x.example/v1', name: n}",
        "{api: 'https://x.example/v1?key=SECRET', name: n}",
        "{api: SECRET, name: n}",
    ],
)
def test_secrets_are_refused_and_never_shown(tmp_path: Path, model: str):
    secret = "sk-4f9a81"
    file = tmp_path / "inhouse.yaml"
    text = BASE.replace("model: models/base", f"model: {model.replace('SECRET', secret)}")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError) as raised:
        read(file)
    assert raised.value.line == 11
    assert secret not in str(raised.value)


def test_not_text(tmp_path: Path):
    file = tmp_path / "inhouse.yaml"
    file.write_bytes(b"project: small\ndata: {m: {from: \xff\xfe}}\n")
    with pytest.raises(ProjectError, match=r"inhouse.yaml:2: this is not UTF-8"):
        read(file)
    with pytest.raises(ProjectError, match="cannot be read: Is a directory"):
        read(tmp_path)
    with pytest.raises(ProjectError, match="no project file"):
        read(tmp_path / "nowhere")


def test_anchors_and_aliases_mean_what_they_say(tmp_path: Path):
    file = tmp_path / "inhouse.yaml"
    file.write_text(
        "project: small\n"
        "groups: {hr: &people [ana, bo], legal: *people}\n"
        "data:\n"
        "  one: &one {from: ./one, label: hr}\n"
        "  two: {<<: *one, from: ./two}\n",
        encoding="utf-8",
    )
    project, source = read(file)
    assert project.groups["legal"] == ["ana", "bo"]
    assert (project.data["two"].sources, project.data["two"].label) == (["./two"], "hr")
    assert source.line(("data", "two", "from")) == 5
    assert source.line(("data", "two", "label")) == 4  # where it came from


def test_an_alias_of_itself_is_a_mistake(tmp_path: Path):
    file = tmp_path / "inhouse.yaml"
    for text in ("project: &p [*p]\n", "project: a\ndata: &d {m: *d}\n", "&a [*a]\n"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ProjectError):
            read(file)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "place",
    [
        "project: *a11",
        "project: a\nzzz: *a11",
        "project: a\nstore: *a11",
        "project: a\ngroups: *a11",
        "project: a\ngroups: {hr: *a11}",
        "project: a\nwalls: *a11",
        "project: a\ndata: {m: {from: *a11}}",
        "project: a\ndata: {m: {from: a, label: *a11}}",
        "project: a\nendpoints: {m: {model: *a11}}",
        "project: a\nendpoints: {m: {model: {api: *a11, name: n}}}",
        "project: a\nendpoints: {m: {model: {api: 'http://a/v1', name: n, key: *a11}}}",
    ],
)
def test_aliases_that_multiply_cost_nothing(tmp_path: Path, place: str):
    file = tmp_path / "inhouse.yaml"
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for i in range(1, 12):
        levels.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]")
    file.write_text("\n".join([*levels, place]), encoding="utf-8")
    with pytest.raises(ProjectError):
        read(file)


def test_the_first_mistake_in_a_long_file_has_its_line(tmp_path: Path):
    file = tmp_path / "inhouse.yaml"
    entries = "".join(f"  d{i}:\n    from: ./d{i}\n" for i in range(300))
    file.write_text(f"project: a\ndata:\n{entries}  last:\n    form: ./x\n", encoding="utf-8")
    with pytest.raises(ProjectError) as raised:
        read(file)
    assert raised.value.line == 604
    assert "'from'" in raised.value.fix
