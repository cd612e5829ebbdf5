"""Every error says what was wrong and how to mend it, and has its place in the tree."""

from pathlib import Path

import pytest

from inhouse.core import errors
from inhouse.core.access import Actor, Decision
from inhouse.core.artifact import Ref
from inhouse.core.errors import InhouseError, NotFound, ProjectError, Refused, nearest
from inhouse.core.label import Label

TREE = [
    (errors.UserError("What.", "Fix."), 2, 400),
    (errors.BadInput("What.", "Fix."), 2, 400),
    (errors.BadField("model", "What.", "Fix."), 2, 400),
    (errors.Incapable("tools", "What.", "Fix."), 2, 400),
    (ProjectError("What.", "Fix.", file=Path("a.yaml"), line=3, key="k"), 2, 400),
    (NotFound("model", "bose", ["base", "other"]), 2, 404),
    (errors.ModelNotFound("model", "bose", ["base", "other"]), 2, 404),
    (Refused("What.", "Fix."), 2, 403),
    (errors.BadKey("What.", "Fix."), 2, 401),
    (errors.TooMany("What.", "Fix.", wait=1), 2, 429),
    (errors.OutOfQuota("What.", "Fix.", wait=1), 2, 429),
    (errors.Overloaded("What.", "Fix.", wait=1), 2, 429),
    (errors.MissingExtra("Training", "train"), 2, 503),
    (errors.TooLong(12, 10), 2, 400),
    (errors.StoreError("What.", "Fix."), 1, 503),
    (errors.Corrupt("What.", "Fix."), 1, 503),
    (errors.NotSetUp("What.", "Fix."), 2, 503),
    (errors.OutOfTime(600), 1, 504),
    (errors.EngineStopped(), 1, 503),
    (errors.EngineFailed(), 1, 502),
    (errors.ProviderError("What.", "Fix."), 1, 502),
    (errors.RequestRefused("What.", "Fix."), 1, 502),
]


@pytest.mark.parametrize(("error", "exit_code", "status"), TREE, ids=lambda x: type(x).__name__)
def test_each_error(error: InhouseError, exit_code: int, status: int):
    assert (error.exit_code, error.status) == (exit_code, status)
    assert error.what.endswith(".")
    assert error.fix
    assert str(error) == f"{error.what} {error.fix}"
    assert error.code.replace("_", "").isalpha()


def test_the_table_above_is_whole():
    def below(kind: type) -> set[type]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    ours = {kind for kind in below(InhouseError) if kind.__module__ == errors.__name__}
    assert ours == {type(error) for error, *_ in TREE} | {InhouseError}


def test_codes_tell_errors_apart():
    # A bad field is bad input that also names the field.
    codes = [type(error).code for error, *_ in TREE if not isinstance(error, errors.BadField)]
    assert len(set(codes)) == len(codes)


def test_a_project_error_names_its_place():
    assert str(ProjectError("No.", "Fix.", file=Path("a.yaml"), line=3)).startswith("a.yaml:3: No.")
    assert str(ProjectError("No.", "Fix.", file=Path("a.yaml"))).startswith("a.yaml: No.")


def test_not_found_offers_the_nearest_or_what_there_is():
    assert "Did you mean 'base'?" in str(NotFound("model", "bse", ["base", "other"]))
    assert "Known: base, other." in str(NotFound("model", "zzz", ["other", "base"]))
    assert "none yet" in str(NotFound("model", "zzz", []))
    assert nearest("zzz", ["base"]) is None


def test_a_refusal_names_label_and_origin():
    thing = Ref("models", "analyst", "9ab0" * 16)
    label = Label.parse("buy-side & hr")
    decision = Decision(
        False, "cy", "use", thing, label, Label.parse("buy-side"), (Ref("data", "memos"),)
    )
    with pytest.raises(Refused) as caught:
        decision.require()
    assert caught.value.what == (
        "cy may not use models/analyst@9ab09ab0: it carries buy-side, inherited from data/memos."
    )
    Decision(True, Actor("ana").name, "use", thing, label).require()
