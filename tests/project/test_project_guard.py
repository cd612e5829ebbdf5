"""What a project file says of guarding becomes a setting of the endpoint, and nothing else does."""

from __future__ import annotations

import pytest

from inhouse.core.errors import ProjectError
from inhouse.project.read import read
from inhouse.serve.endpoint import Serve

FILE = """\
project: small
models: {base: {from: smollm2-135m-instruct}}
endpoints: {desk: {model: models/base GUARD}}
"""


def ways(folder, guard):
    file = folder / "inhouse.yaml"
    file.write_text(FILE.replace(" GUARD", f", guard: {guard}" if guard else ""), encoding="utf-8")
    return read(file)[0].endpoints["desk"].guard.ways


@pytest.mark.parametrize(
    ("guard", "wanted"),
    [
        ("", {}),
        ("{in: [pii]}", {"in": "mask"}),
        ("{in: [{pii: mask}], out: [pii]}", {"in": "mask", "out": "mask"}),
        ("{in: [{pii: refuse}]}", {"in": "refuse"}),
    ],
)
def test_what_is_guarded_and_how(tmp_path, guard, wanted):
    assert ways(tmp_path, guard) == wanted
    assert Serve(guard=wanted).guard == wanted


@pytest.mark.parametrize(
    ("guard", "told"),
    [
        ("{out: [toxicity]}", "not looked through for toxicity"),
        ("{out: [{pii: refuse}]}", "guards no answers"),
        ("{in: [pii, toxicity]}", "guards no requests"),
        ("{in: [{pii: hide}]}", "guards no requests"),
    ],
)
def test_what_cannot_be_guarded_is_told_with_its_line(tmp_path, guard, told):
    with pytest.raises(ProjectError, match=told) as caught:
        ways(tmp_path, guard)
    assert caught.value.line == 3
