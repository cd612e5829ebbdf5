"""Weights from the Hugging Face hub at a pinned revision: only the files a model needs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from inhouse.core.errors import BadInput, ProviderError
from inhouse.core.stage import Progress, silent
from inhouse.models.weight_files import choose


def fetch_hub(name: str, revision: str, into: Path, *, progress: Progress = silent) -> None:
    """Put the model files of ``org/name`` at `revision` into the folder `into`.

    A token for gated models is taken from where the hub's own tools keep it.

    Raises:
        BadInput: there is no such model or revision, or it holds no usable weights.
        ProviderError: the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub

    api = HfApi(library_name="inhouse")
    try:
        chosen = choose(api.list_repo_files(name, revision=revision), f"hf://{name}@{revision}")
        with tempfile.TemporaryDirectory(dir=into, prefix=".hub-") as folder:
            for count, (path, target) in enumerate(chosen.items(), start=1):
                got = api.hf_hub_download(name, path, revision=revision, local_dir=folder)
                (into / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(got, into / target)
                progress(count, len(chosen), "files")
    except hub.GatedRepoError:
        raise BadInput(
            f"hf://{name} is gated and this account has no access.",
            "Accept its licence on the hub and log in with: hf auth login",
        ) from None
    except (hub.RepositoryNotFoundError, hub.RevisionNotFoundError):
        raise BadInput(
            f"The hub has no hf://{name}@{revision}.", "Check the name and the revision."
        ) from None
    except (
        hub.HTTPError,  # type: ignore[attr-defined]  # of whichever client the hub's tools use
        hub.LocalEntryNotFoundError,
        hub.OfflineModeIsEnabled,
    ) as error:
        raise _unreachable(name, error) from None


def _unreachable(name: str, error: Exception) -> ProviderError:
    first = str(error).strip().partition("\n")[0][:300]
    return ProviderError(
        f"The hub did not deliver hf://{name}: {first}",
        "Check the network, or fetch the model elsewhere and use file:PATH.",
    )
