"""How much is found in marked texts that nothing was trained on."""

import os
from pathlib import Path

import pytest
from bench.harness.personal import of_characters, of_form, read_texts

from inhouse.guard.guard import built_in
from inhouse.guard.patterns import Patterns

SET = Path(os.environ.get("INHOUSE_DATA", "")) / "pii" / "synth_dataset_v2.json"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not SET.is_file(), reason="INHOUSE_DATA names no folder with the set pii"),
]


@pytest.fixture(scope="module")
def texts():
    return read_texts(SET)


@pytest.mark.parametrize("part", ["all", "held_out"])
def test_what_has_a_form(texts, part):
    some = getattr(texts, part)
    recall, precision = of_form(some, Patterns().find_many([text.text for text in some]))
    assert recall >= 0.98
    assert precision >= 0.95


def test_characters_of_all_personal_data(texts):
    found = built_in().find_many([text.text for text in texts.held_out])
    recall, precision = of_characters(texts.held_out, found)
    assert recall >= 0.88
    assert precision >= 0.85
