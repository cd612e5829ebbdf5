"""`inhouse keys`: what a key is for and how much it may ask."""

from __future__ import annotations

import json
import time
from pathlib import Path

from small_project import opened, quickly

from inhouse.catalog.spending import Spending


def test_a_key_with_limits_is_made_changed_and_shown(file: Path):
    words = ("--only", "endpoints/desk", "--only", "knowledge", "--requests-per-minute", "60")
    done = quickly(
        "keys", "create", "--actor", "bo", *words, "--tokens-per-day", "1000", cwd=file.parent
    )
    assert done.returncode == 0, done.stderr
    assert "only for: endpoints/desk, knowledge" in done.stdout
    assert "limits: 60 requests per minute, 1000 tokens per day" in done.stdout
    with opened(file) as project:
        (key,) = project.catalog.keys.list()
        Spending(project.catalog.root).spend(key, 7, time.time())

    words = ("--only", "all", "--requests-per-minute", "0", "--concurrent", "2")
    done = quickly("keys", "change", key.id, *words, cwd=file.parent)
    assert done.returncode == 0, done.stderr
    (shown,) = json.loads(quickly("keys", "ls", "--json", cwd=file.parent).stdout)["keys"]
    assert shown["only"] == []
    assert shown["limits"] == {
        "requests_per_minute": None,
        "tokens_per_day": 1000,
        "concurrent": 2,
    }
    assert shown["used_today"] == {"requests": 0, "tokens": 7}
    table = quickly("keys", "ls", cwd=file.parent).stdout
    assert "1000 tokens per day, 2 requests at once" in table
    assert "0 requests, 7 tokens" in table


def test_a_key_for_what_is_not_there_is_a_sentence(file: Path):
    for name, told in [
        ("endpoints/dezk", "Did you mean 'endpoints/desk'?"),
        ("data/memos", "A key cannot be only for 'data/memos'."),
        ("desk", "A key cannot be only for 'desk'."),
    ]:
        done = quickly("keys", "create", "--actor", "bo", "--only", name, cwd=file.parent)
        assert done.returncode == 2
        assert told in done.stderr
    assert quickly("keys", "change", "12345678", cwd=file.parent).returncode == 2
