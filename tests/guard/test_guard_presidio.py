"""Presidio as a finder, where it is installed."""

from importlib.util import find_spec

import pytest

from inhouse.core.errors import MissingExtra
from inhouse.guard.guard import Guard
from inhouse.guard.patterns import Patterns
from inhouse.guard.presidio import Presidio

INSTALLED = find_spec("presidio_analyzer") is not None


@pytest.mark.skipif(not INSTALLED, reason="Presidio is not installed: inhouse[presidio]")
def test_it_finds_beside_ours():
    guard = Guard((Patterns(), Presidio()))
    assert [f.type for f in guard.find("write to ana@example.com")] == ["email"]


@pytest.mark.skipif(INSTALLED, reason="Presidio is installed")
def test_without_it_one_sentence_says_what_to_install():
    with pytest.raises(MissingExtra, match="presidio"):
        Presidio().find_many(["x"])
