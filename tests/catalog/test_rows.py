"""Documents come back from their file as they went in."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inhouse.catalog.rows import find_document, read_documents, write_documents
from inhouse.core.errors import BadInput
from inhouse.core.nouns import Document

text = st.text(st.characters(codec="utf-8"), max_size=30)
documents = st.builds(Document, text, text, text, text, st.floats(0, 2e9))


@settings(deadline=None)  # the first one imports much
@given(st.lists(documents, max_size=4, unique_by=lambda document: document.path))
def test_what_is_written_is_read(many: list[Document]):
    with TemporaryDirectory() as folder:
        write_documents(Path(folder), many)
        assert list(read_documents(Path(folder))) == many
        assert all(find_document(Path(folder), each.path) == each for each in many)
        assert find_document(Path(folder), "no such path, as it is too long for these") is None


def test_a_path_is_there_once(tmp_path: Path):
    twice = [Document("a.md", "A", text, "0" * 64) for text in ("One.", "One.")]
    with pytest.raises(BadInput, match=r"Two rows have the id 'a.md'"):
        write_documents(tmp_path, twice)
