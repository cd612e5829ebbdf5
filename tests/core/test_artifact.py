"""References, and the version function on which every store depends."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.core.artifact import SECTIONS, Edge, File, Ref, canonical, digest_of, identity
from inhouse.core.errors import BadInput
from inhouse.core.stage import Context, Inputs, Recipe, Result, Stage

part = st.from_regex(r"[a-z0-9][a-z0-9._\-]{0,6}", fullmatch=True)
name = st.one_of(part, st.tuples(part, part).map("/".join))
version = st.none() | st.from_regex(r"[0-9a-f]{4,64}", fullmatch=True)


@given(st.sampled_from(SECTIONS), name, version)
def test_a_reference_parses_back(section: str, name: str, version: str | None):
    ref = Ref(section, name, version)
    whole = ref.path + (f"@{version}" if version else "")
    assert Ref.parse(whole) == ref
    assert Ref.parse(str(ref)).path == ref.path
    assert whole.startswith(str(ref))


@pytest.mark.parametrize(
    "text",
    [
        "", "data", "data/", "/x", "Data/x", "data/X", "data/x@", "data/x@12", "data/x@12G4",
        "data/x@" + "a" * 65, "data/../x", "data/x/../y", "data/a/b/c", "data//x", "data/x\n",
        "secrets/x", "data/.x", "data/x@ab%c", "data/x@1234@1234", " data/x", "data/x\x00",
    ],
)  # fmt: skip
def test_what_is_no_reference(text: str):
    with pytest.raises(BadInput) as caught:
        Ref.parse(text)
    assert repr(text) in caught.value.what


@dataclass(frozen=True)
class Spec:
    text: str
    folder: Path = field(default=Path(), metadata={"identity": False})
    more: tuple[str, ...] = field(default=(), metadata={"identity": "unless default"})
    rate: float = 0.5


def nothing(spec: Spec, inputs: Inputs, ctx: Context) -> Result:
    return Result()


def recipe(**change: object) -> Recipe:
    parts: dict[str, object] = {
        "ref": Ref("models", "analyst"),
        "stage": Stage("train", 3, nothing),
        "spec": Spec("Grüße"),
        "parents": (Edge("base", Ref("models", "base", "b" * 64)),),
    }
    return Recipe(**{**parts, **change})  # type: ignore[arg-type]


def test_the_version_function_never_changes():
    # If this fails, everything in every store would be made again.
    assert recipe().version == ("1ef707a013d88e488f8ccb3add6ad7849dd48b5debde89dd459867a8ef9fb2ee")


def test_everything_that_decides_the_result_decides_the_version():
    other = Ref("models", "base", "c" * 64)
    changed = [
        recipe(ref=Ref("models", "other")),
        recipe(stage=Stage("train", 4, nothing)),
        recipe(stage=Stage("tune", 3, nothing)),
        recipe(spec=Spec("Grusse")),
        recipe(spec=Spec("Grüße", rate=0.25)),
        recipe(parents=()),
        recipe(parents=(Edge("base", other),)),
        recipe(parents=(Edge("start", Ref("models", "base", "b" * 64)),)),
        recipe(parents=(Edge("base", Ref("models", "base", "b" * 64), "filter"),)),
    ]
    versions = {made.version for made in [recipe(), *changed]}
    assert len(versions) == len(changed) + 1


def test_where_a_folder_lies_does_not():
    assert recipe(spec=Spec("Grüße", folder=Path("/elsewhere"))).version == recipe().version
    assert identity(Spec("a")) == {"text": "a", "rate": 0.5}
    assert identity(Spec("a", more=("b",))) == {"text": "a", "rate": 0.5, "more": ("b",)}


def test_the_order_of_parents_does_not():
    a, b = Edge("a", Ref("data", "a", "a" * 64)), Edge("b", Ref("data", "b", "b" * 64))
    assert recipe(parents=(a, b)).version == recipe(parents=(b, a)).version


@pytest.mark.parametrize("loose", [None, "bbbb"])
def test_a_parent_must_be_pinned_whole(loose: str | None):
    with pytest.raises(ValueError, match="pinned"):
        recipe(parents=(Edge("base", Ref("models", "base", loose)),))


def test_a_role_has_one_parent():
    edges = (Edge("base", Ref("data", "a", "a" * 64)), Edge("base", Ref("data", "b", "b" * 64)))
    with pytest.raises(ValueError, match="same role"):
        recipe(parents=edges)


@pytest.mark.parametrize("thing", [{"text": "a"}, Spec, None])
def test_a_spec_is_a_dataclass(thing: object):
    with pytest.raises(TypeError):
        identity(thing)


leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(codec="utf-8"), max_size=4)
values = leaf | words | st.lists(leaf, max_size=3) | st.dictionaries(words, leaf, max_size=3)


@given(st.dictionaries(words, values, max_size=5))
def test_canonical_text_does_not_depend_on_order(value: dict[str, object]):
    turned = dict(reversed(value.items()))
    assert canonical(value) == canonical(turned)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, Path("x"), b"x"])
def test_what_has_no_canonical_text_is_loud(value: object):
    with pytest.raises((TypeError, ValueError)):
        canonical({"value": value})


def test_the_digest_covers_names_and_bytes():
    a, b = File("a" * 64, 1), File("b" * 64, 1)
    listings = [{}, {"x": a}, {"y": a}, {"x": b}, {"x": a, "y": b}, {"x": b, "y": a}]
    assert len({digest_of(files) for files in listings}) == len(listings)
    assert digest_of({"x": a, "y": b}) == digest_of({"y": b, "x": a})
