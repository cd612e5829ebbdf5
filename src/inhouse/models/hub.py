"""The Hugging Face hub: the files a model needs at a pinned revision, and what goes wrong there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inhouse.core.errors import BadInput, ProviderError
from inhouse.core.stage import Progress, silent
from inhouse.models.weight_files import choose

TIMEOUT = 10.0
"""Seconds until a hub that says nothing counts as one that cannot be reached."""


def fetch_hub(name: str, revision: str, into: Path, *, progress: Progress = silent) -> None:
    """Put the model files of ``org/name`` at `revision` into the folder `into`.

    A token for gated models is taken from where the hub's own tools keep it.

    Raises:
        BadInput: there is no such model or revision, or it holds no usable weights.
        ProviderError: the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    api, url = HfApi(library_name="inhouse"), f"hf://{name}@{revision}"
    with hub_errors(url, "fetch the model elsewhere and use file:PATH"):
        # To list the tree would be tried for half a minute without a network, and complained of.
        info = api.model_info(name, revision=revision, timeout=TIMEOUT)
        chosen = choose([found.rfilename for found in info.siblings or ()], url)
        with tempfile.TemporaryDirectory(dir=into, prefix=".hub-") as folder:
            for count, (path, target) in enumerate(chosen.items(), start=1):
                got = api.hf_hub_download(name, path, revision=revision, local_dir=folder)
                (into / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(got, into / target)
                progress(count, len(chosen), "files")


@contextmanager
def hub_errors(url: str, instead: str) -> Iterator[None]:
    """Turn what goes wrong with the hub into errors that a person can act on.

    Args:
        url: what is fetched, ``hf://…@REVISION``.
        instead: what else can be done where the hub cannot be reached.

    Raises:
        BadInput: there is no such thing or revision, or it is gated.
        ProviderError: the hub cannot be reached or refuses.
    """
    from huggingface_hub import errors as hub

    name = url.partition("@")[0]
    try:
        yield
    except hub.GatedRepoError:
        raise BadInput(
            f"{name} is gated and this account has no access.",
            "Accept its licence on the hub and log in with: hf auth login",
        ) from None
    except (hub.RepositoryNotFoundError, hub.RevisionNotFoundError):
        raise BadInput(f"The hub has no {url}.", "Check the name and the revision.") from None
    except (
        hub.HTTPError,  # type: ignore[attr-defined]  # of whichever client the hub's tools use
        hub.LocalEntryNotFoundError,
        hub.OfflineModeIsEnabled,
    ) as error:
        first = str(error).strip().partition("\n")[0][:300]
        raise ProviderError(
            f"The hub did not deliver {name}: {first}", f"Check the network, or {instead}."
        ) from None
