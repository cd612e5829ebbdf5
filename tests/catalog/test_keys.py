"""Keys: shown once, nowhere stored, and useless once expired or revoked."""

import time
from pathlib import Path

import pytest

from inhouse.catalog import Catalog
from inhouse.core.errors import BadInput, BadKey, NotFound


def test_the_secret_is_nowhere_in_the_store(catalog: Catalog):
    key, secret = catalog.keys.create("ana", by="owner")
    assert catalog.keys.actor_of(secret) == "ana"
    assert secret.startswith("ih-")
    catalog.close()
    stored = b"".join(path.read_bytes() for path in catalog.root.rglob("*") if path.is_file())
    assert key.id.encode() in stored
    assert secret.encode() not in stored
    assert secret.removeprefix("ih-").encode() not in stored


def test_every_key_is_another(catalog: Catalog):
    made = [catalog.keys.create("ana", by="owner") for _ in range(5)]
    assert len({secret for _, secret in made}) == 5
    assert [key.id for key in catalog.keys.list()] == [key.id for key, _ in made]


@pytest.mark.parametrize("secret", ["", "ih-", "ih-unknown", "ana", "' OR 1=1 --"])
def test_an_unknown_key_is_refused(catalog: Catalog, secret: str):
    catalog.keys.create("ana", by="owner")
    with pytest.raises(BadKey, match="not known"):
        catalog.keys.actor_of(secret)


def test_a_key_expires(catalog: Catalog):
    _, secret = catalog.keys.create("ana", by="owner", days=0.2 / 86400)
    time.sleep(0.25)
    with pytest.raises(BadKey, match="expired"):
        catalog.keys.actor_of(secret)


def test_a_revoked_key_is_useless_at_once(catalog: Catalog):
    key, secret = catalog.keys.create("ana", by="owner", days=1)
    _, other = catalog.keys.create("bo", by="owner")
    catalog.keys.revoke(key.id, by="owner")
    with pytest.raises(BadKey, match="revoked"):
        catalog.keys.actor_of(secret)
    assert catalog.keys.actor_of(other) == "bo"
    assert [entry.action for entry in catalog.audit()] == ["create key"] * 2 + ["revoke key"]
    assert all(secret not in entry.note for entry in catalog.audit())


def test_bad_wishes_are_refused(catalog: Catalog, tmp_path: Path):
    for actor, days in ((" ", None), ("ana", 0), ("ana", -1)):
        with pytest.raises(BadInput):
            catalog.keys.create(actor, by="owner", days=days)
    with pytest.raises(NotFound):
        catalog.keys.revoke("00000000", by="owner")
    assert catalog.keys.list() == []
