from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.core.errors import BadInput
from inhouse.data.rst import read_rst

TEXT = """\
PEP: 1
Title: Travel
 abroad
Author: A

.. _trips:

What's *new*?
=============
See :pep:`8`, :ref:`the rules <rules>`, `a page <http://x.y>`__ and note [1]_.
- no item

=====
Part
=====

Code::

    def f():


        return "`"

.. code-block:: python
   :linenos:

   x = 1
   ====

* one

  - deep

  .. note:: Mind
     this.

#. first

.. comment
   unseen

.. [1] A note.

term
    What it means.

===  ===
a    b
===  ===
1    2
===  ===

After
-----
----

End
"""

MARKDOWN = """\
PEP: 1
Title: Travel
 abroad
Author: A

# What's \\*new\\*? {#what-s-new}

See PEP 8, the rules, [a page](http://x.y) and note [1].
\\- no item

## Part {#part}

Code:

```
def f():


    return "`"
```

```python
x = 1
====
```

- one

  - deep

  Note: Mind

  this.

1. first

[1] A note.

term

What it means.

```
===  ===
a    b
===  ===
1    2
===  ===
```

### After {#after}

---

End
"""


def test_the_shape_of_a_text_becomes_markdown() -> None:
    title, text = read_rst(TEXT.encode())
    assert title == "Travel\n abroad"
    assert text == MARKDOWN


def test_the_first_heading_is_the_title() -> None:
    assert read_rst(b"Travel\n======\n\nGo.\n")[0] == "Travel"


def test_a_text_nested_too_deep_is_refused() -> None:
    deep = "\n".join(" " * n + "- x" for n in range(0, 400, 2))
    with pytest.raises(BadInput, match="nested deeper"):
        read_rst(deep.encode())


@given(st.text(alphabet="=-*#.:`_|+ab1\n ", max_size=120))
def test_no_text_fails(text: str) -> None:
    read_rst(text.encode())


@pytest.mark.data
def test_peps_keep_their_headings() -> None:
    folder = os.environ.get("INHOUSE_DATA")
    if not folder:
        pytest.skip("INHOUSE_DATA names no folder of real data")
    with gzip.open(Path(folder, "peps", "peps.jsonl.gz"), "rt", encoding="utf-8") as lines:
        text = next(t for t in map(_pep, lines) if t.startswith("PEP: 257\n"))
    title, found = read_rst(text.encode())
    assert title == "Docstring Conventions"
    assert [line for line in found.splitlines() if line.startswith("## ")] == [
        "## What is a Docstring? {#what-is-a-docstring}",
        "## One-line Docstrings {#one-line-docstrings}",
        "## Multi-line Docstrings {#multi-line-docstrings}",
        "## Handling Docstring Indentation {#handling-docstring-indentation}",
    ]


def _pep(line: str) -> str:
    try:
        return str(json.loads(line)["text"])
    except ValueError:
        return ""


def test_odd_spaces_are_spaces() -> None:
    text = (
        "Title\n=====\n\n  one\n\f\n  two\n\n  three\n\xa0\n\x1f four\n\n\f\nPart\n====\n\nEnd.\n"
    )
    assert read_rst(text.encode())[1] == (
        "# Title {#title}\n\none\n\ntwo\n\nthree\n\nfour\n\n# Part {#part}\n\nEnd.\n"
    )
