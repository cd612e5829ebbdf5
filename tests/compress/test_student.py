"""A student: what it learns, that numpy says what torch says, and what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.compress.painted import COLOURS, EXAMPLES, THINGS
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from inhouse.compress.variants import neighbours, variants
from inhouse.compress.vocabulary import trimmed
from inhouse.core.errors import BadInput
from inhouse.models.chat_format import load_tokenizer
from inhouse.models.student import Student
from inhouse.models.weights import open_weights

pytestmark = pytest.mark.weights

TEXTS = [text for text, _ in EXAMPLES]
LABELS = np.array([COLOURS.index(colour) for _, colour in EXAMPLES])


@pytest.fixture(scope="module")
def encoder(weights_store: Path) -> Path:
    from tests.models.conftest import pulled

    return pulled(weights_store, "models/minilm")


@pytest.fixture(scope="module")
def student(encoder: Path) -> Student:
    pytest.importorskip("torch")
    from inhouse.compress.convolutions import Settings, learn
    from inhouse.compress.lessons import Lessons

    small, rows = trimmed(load_tokenizer(encoder), TEXTS)
    vectors = open_weights(encoder).take("embeddings.word_embeddings.weight")[rows]
    settings = Settings(width=32, filters=24, samples=6000, batch=32)
    return learn(COLOURS, small, vectors, Lessons(TEXTS, LABELS), settings)


def test_a_trimmed_tokenizer_gives_the_same_pieces(encoder: Path) -> None:
    whole = load_tokenizer(encoder)
    small, rows = trimmed(whole, TEXTS)
    assert small.get_vocab_size() == len(rows) < 200
    for text in TEXTS:
        ids = small.encode(text, add_special_tokens=False).ids
        assert rows[ids].tolist() == whole.encode(text, add_special_tokens=False).ids
    assert small.encode("zebra").tokens == ["z", "##e", "##b", "##r", "##a"]
    assert small.encode("[SEP]").tokens == ["[", "s", "##e", "##p", "]"]
    assert small.encode("鳥").ids == [0]
    wider, rows = trimmed(whole, TEXTS, common=3000)
    assert small.encode("because").tokens != wider.encode("because").tokens == ["because"]
    assert not any("unused" in piece for piece in wider.get_vocab())
    assert rows[wider.encode("because", add_special_tokens=False).ids].tolist() == (
        whole.encode("because", add_special_tokens=False).ids
    )


def test_it_learns_and_says_the_same_after_it_was_written(student: Student, tmp_path: Path) -> None:
    unseen = [f"could you paint a {colour} {thing}" for colour in COLOURS for thing in THINGS]
    found = student.classify(unseen)
    assert [COLOURS[n] for n in found.argmax(1)] == [c for c in COLOURS for _ in THINGS]
    assert found.sum(1) == pytest.approx(1, abs=1e-5)
    student.save(tmp_path)
    loaded = Student.load(tmp_path)
    assert loaded.classes == COLOURS
    np.testing.assert_array_equal(loaded.classify(unseen), found)
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again)
    assert (again / "student.safetensors").read_bytes() == (
        tmp_path / "student.safetensors"
    ).read_bytes()


def test_numpy_says_what_torch_says(student: Student) -> None:
    import torch

    from inhouse.compress.convolutions import Settings, _Net

    known = student.parameters
    net = _Net(known.vectors, Settings(width=32, filters=24, forgotten=0), len(COLOURS))
    with torch.no_grad():
        for layer, rows in zip(net.filters, known.filters, strict=True):
            layer.weight.copy_(torch.from_numpy(rows))
        for layer, part in zip(net.filters, np.split(known.offsets, 3), strict=True):
            layer.bias.copy_(torch.from_numpy(part))
        net.head.weight.copy_(torch.from_numpy(known.head))
        net.head.bias.copy_(torch.from_numpy(known.bias))
    net.learning = False
    texts = ["red", "a red", "I want the blue house today and the green one tomorrow", ""]
    rows = [torch.from_numpy(student.pieces(text)) for text in texts]
    padded = torch.nn.utils.rnn.pad_sequence(
        rows, batch_first=True, padding_value=len(known.vectors)
    )
    with torch.no_grad():
        scores = net.scores(padded).numpy()
    for text, wanted in zip(texts, scores, strict=True):
        np.testing.assert_allclose(student.score(text), wanted, atol=2e-5)


def test_an_answer_does_not_depend_on_its_batch(student: Student) -> None:
    together = student.classify([*TEXTS, "", "x" * 5000])
    for place in (0, 7, len(TEXTS), len(TEXTS) + 1):
        text = [*TEXTS, "", "x" * 5000][place]
        np.testing.assert_array_equal(student.classify([text])[0], together[place])
    assert student.classify([]).shape == (0, 4)


def test_it_needs_numpy_alone(student: Student, tmp_path: Path) -> None:
    student.save(tmp_path)
    code = (
        "import sys; from pathlib import Path; from inhouse.models.student import Student\n"
        f"print(Student.load(Path({str(tmp_path)!r})).classify(['the red car']).argmax())\n"
        "heavy = {'torch', 'transformers', 'openvino', 'onnxruntime'} & sys.modules.keys()\n"
        "sys.exit(f'{heavy} was loaded' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr


def test_what_is_no_student_is_refused(student: Student, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no small model"):
        Student.load(tmp_path)
    student.save(tmp_path)
    trimmed(student._tokenizer, ["red"])[0].save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(BadInput, match="of another student"):
        Student.load(tmp_path)
    file = tmp_path / "student.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BadInput, match="cannot be read"):
        Student.load(tmp_path)


def test_variants_are_new_and_the_same_each_time() -> None:
    found = variants(TEXTS, LABELS, 300, seed=1)
    assert len(found) == len(set(found)) == 300
    assert not set(found) & set(TEXTS)
    assert found == variants(TEXTS, LABELS, 300, seed=1) != variants(TEXTS, LABELS, 300, seed=2)
    words = {word for text in TEXTS for word in text.split()}
    assert {word for text in found for word in text.split()} <= words
    assert len(variants(["one", "two"], np.array([0, 1]), 50)) < 50
    near = {word: [f"{word}-like"] for word in words}
    moved = [word for text in variants(TEXTS, LABELS, 300, near=near) for word in text.split()]
    share = sum(word.endswith("-like") for word in moved) / len(moved)
    assert 0.1 < share < 0.2


def test_near_words_are_those_whose_vectors_are_near() -> None:
    words = ["[UNK]", "a", "tea", "coffee", "##s", "car", "bus"]
    tokenizer = Tokenizer(WordPiece({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    vectors = np.zeros((len(words), 4), np.float32) + 1
    vectors[[2, 3], 0] = 5
    vectors[[5, 6], 1] = 5
    near = neighbours(tokenizer, vectors)
    assert {word: others[0] for word, others in near.items()} == {
        "tea": "coffee", "coffee": "tea", "car": "bus", "bus": "car",
    }  # fmt: skip


def test_remembered_pieces_are_those_of_the_whole_text(student: Student) -> None:
    odd = [
        "a\tred  car\n",
        " the réd, car!",
        "red 鳥 car",
        "ｒｅｄ\u200b car e\u0301",
        "THE RED-car's",
        "  ",
    ]
    for text in [*odd, *TEXTS[:20], *odd]:
        whole = student._tokenizer.encode(text, add_special_tokens=False).ids
        assert student.pieces(text).tolist() == (whole or [0])
