"""Documents come back from their file as they went in."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from inhouse.core.documents import read_documents, write_documents
from inhouse.core.nouns import Document

text = st.text(st.characters(codec="utf-8"), max_size=30)
documents = st.builds(Document, text, text, text, text, st.floats(0, 2e9))


@given(st.lists(documents, max_size=4))
def test_what_is_written_is_read(many: list[Document]):
    with TemporaryDirectory() as folder:
        write_documents(Path(folder), many)
        assert list(read_documents(Path(folder))) == many
