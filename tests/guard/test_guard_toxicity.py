"""The linear model of toxicity learns what its examples say, and says nothing of itself."""

import pytest

from inhouse.core.errors import BadInput
from inhouse.guard.toxicity import train

WORDS = ["tea", "book", "walk", "help", "song", "soup", "chair", "lamp", "map", "pen"]
KIND = [f"thank you for the {word}" for word in WORDS]
RUDE = [f"your {word} is stupid, idiot" for word in WORDS]


def test_it_learns_from_examples():
    model = train(KIND + RUDE, [False] * 10 + [True] * 10)
    kind, rude = model.score(["thank you for the cake", "what an idiot you are"])
    assert kind < 0.5 < rude
    assert model.score([]).shape == (0,)
    assert 0 <= model.score([""])[0] <= 1


def test_the_same_examples_give_the_same_model():
    one, other = (train(KIND + RUDE, [False] * 10 + [True] * 10) for _ in range(2))
    assert (one.weights == other.weights).all()


def test_too_few_examples_are_refused():
    with pytest.raises(BadInput, match="fewer than 10"):
        train(KIND + RUDE[:3], [False] * 10 + [True] * 3)
