from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inhouse.data.mdx import read_mdx

PAGE = """\
---
title: Travel
---
import Tabs from '@theme/Tabs';
import {
  Card,
  Note as Remark,
} from "../components";
import './style.css'

export const meta = {
  tags: ['a', {b: [1, 2]}],

  draft: false,
}

# Travel policy {/* #policy */}

Book <Mark color="a > b">two weeks</Mark> ahead,
import duties are paid.

<Tabs items={[{label: "Far", show: (a) => a > 2}]}>
  <Tabs.Item>

Ask if 3 < 4 and {price} > 2.<br/>

  </Tabs.Item>
</Tabs>

<>Go.</>

```jsx title="x"
import Tabs from 'tabs'
<Tabs/> {/* kept */}
```

Write `<Tabs>` or ``<a `b`>``. See <https://example.org>.

~~~
<Open>
"""

TEXT = """\


# Travel policy 

Book two weeks ahead,
import duties are paid.


  

Ask if 3 < 4 and {price} > 2.

  


Go.

```jsx title="x"
import Tabs from 'tabs'
<Tabs/> {/* kept */}
```

Write `<Tabs>` or ``<a `b`>``. See <https://example.org>.

~~~
<Open>
"""  # noqa: W291, W293


def test_the_code_of_the_site_is_no_text_and_examples_are() -> None:
    assert read_mdx(PAGE.encode()) == ("Travel", TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "import duties are paid by the sender.\n",
        "Goods\nimport x from 'y'\n",
        "export control is strict.\n",
        "important: a < b > c.\n",
        "```\n<Open>\n",
        "It's `<A>` here.\n",
    ],
)
def test_what_is_no_code_stays(text: str) -> None:
    assert read_mdx(text.encode())[1] == text


def test_statements_end_with_their_line() -> None:
    text = "import A from 'a'\nexport {b} from 'b'\n# Travel\n\nGo.\n"
    assert read_mdx(text.encode()) == ("Travel", "# Travel\n\nGo.\n")


SIGNS = [*"<>{}[]()`'\"\n a/*~#=", "```\n", "import ", "export const a", "<A b", "{/*", "*/}"]


@given(st.lists(st.sampled_from(SIGNS), max_size=60).map("".join))
def test_any_text_is_read(text: str) -> None:
    assert len(read_mdx(text.encode())[1]) <= len(text)


@pytest.mark.parametrize("sign", [*SIGNS, "<a {", "({", '<a "', "`` ` ", "(()", "{/* <A"])
def test_no_text_takes_long(sign: str) -> None:
    read_mdx((sign * 20_000).encode())
