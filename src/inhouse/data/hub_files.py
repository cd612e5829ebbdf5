"""Data sets of the Hugging Face hub, ``hf://datasets/ORG/NAME@COMMIT[/CONFIG][/SPLIT]``.

Only files of rows are fetched, at a pinned revision; a data set's own code is never looked at. What
the rows mean is the business of `columns`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from inhouse.core.errors import BadInput, InhouseError
from inhouse.core.stage import Progress, silent
from inhouse.data.markdown import parted
from inhouse.models.hub import TIMEOUT, hub_errors

SCHEME = "hf://datasets/"
URL = re.compile(
    r"hf://datasets/(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?"
    r"(?P<parts>(/[\w.-]+){0,2})\Z"
)
COMMIT = re.compile(r"[0-9a-f]{40}\Z")
ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".csv")
CARD = "README.md"
LARGEST_CARD = 2**20
SPLIT = re.compile(r"(?:\A|[-_./])(train|test|validation|valid|val|dev)(?:\Z|[-_./])")
ONE = "default"
INSTEAD = "fetch its files elsewhere and name them in 'from'"


@dataclass(frozen=True, slots=True)
class HubSet:
    """A data set of the hub at a commit; `parts` are its configuration or its split, or both."""

    name: str
    commit: str
    parts: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """How people write it."""
        return "/".join((f"{SCHEME}{self.name}@{self.commit}", *self.parts))

    @classmethod
    def parse(cls, url: str) -> HubSet:
        """Read the URL of a data set.

        Raises:
            BadInput: it is none, or pins no commit; then the one of today is told, if the hub can
                be asked.
        """
        found = URL.match(url)
        if found is None:
            raise BadInput(
                f"{url!r} is no data set of the hub.",
                f"Write {SCHEME}ORG/NAME@COMMIT, and /CONFIG and /SPLIT behind it.",
            )
        revision = found["revision"] or "main"
        if not COMMIT.match(revision):
            commit = _today(found["name"], revision)
            raise BadInput(
                f"{url} does not pin a commit, so it may change behind your back.",
                f"Write {SCHEME}{found['name']}@{commit or 'COMMIT'}{found['parts']}"
                + (", its commit of today." if commit else "."),
            )
        return cls(found["name"], revision, tuple(found["parts"].split("/")[1:]))


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files of a data set, by their paths there, and its licence as its card has it."""

    files: Mapping[str, Path]
    licence: str


def fetch(source: HubSet, into: Path, *, progress: Progress = silent) -> Fetched:
    """Put the files of a data set into the folder `into`.

    A token for gated data sets is taken from where the hub's own tools keep it.

    Raises:
        BadInput: there is no such data set, split or revision, or no file of rows in it.
        ProviderError: the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi(library_name="inhouse")

    def got(path: str) -> Path:
        return Path(
            api.hf_hub_download(
                source.name, path, repo_type="dataset", revision=source.commit, local_dir=into
            )
        )

    with hub_errors(source.url, INSTEAD):
        info = api.dataset_info(source.name, revision=source.commit, timeout=TIMEOUT)
        paths = [found.rfilename for found in info.siblings or ()]
        card: Mapping[str, Any] = {}
        if CARD in paths:
            card = card_of(got(CARD).read_bytes()[:LARGEST_CARD].decode("utf-8", "replace"))
        chosen = choose(paths, card, source)
        files: dict[str, Path] = {}
        for path in chosen:
            files[path] = got(path)
            progress(len(files), len(chosen), "files")
    licence = card.get("license", "")
    listed = licence if isinstance(licence, list) else [licence]
    return Fetched(files, ", ".join(one for one in listed if isinstance(one, str)))


def card_of(text: str) -> Mapping[str, Any]:
    """Return what stands above a data set's card; nothing if it is not YAML with keys."""
    try:
        found = yaml.safe_load(parted(text)[0])
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def choose(paths: Sequence[str], card: Mapping[str, Any], source: HubSet) -> Sequence[str]:
    """Return the files of one configuration and one split.

    Those are as the card says, or else as the names of files and folders do.

    Raises:
        BadInput: there are none, or several to choose from.
    """
    readable = sorted(path for path in paths if path.endswith(ENDINGS) and _is_safe(path))
    if not readable:
        own = any(path.endswith(".py") for path in paths)
        raise BadInput(
            f"{source.url} has no file of rows ({', '.join(ENDINGS)}).",
            "Its own code is never run. Export its rows, and name the files in 'from'."
            if own
            else "Name another data set.",
        )
    places = list(_by_card(card, readable)) or [(*_by_name(path), path) for path in readable]
    for part in source.parts:
        as_config = [place for place in places if place[0] == part]
        chosen = as_config or [place for place in places if place[1] == part]
        if not chosen:
            raise _unclear(source, f"has no {part!r}", places)
        places = chosen
    if len({place[:2] for place in places}) > 1:
        raise _unclear(source, "is several data sets", places)
    return list(dict.fromkeys(path for _, _, path in places))


def _unclear(source: HubSet, what: str, places: Sequence[tuple[str, str, str]]) -> BadInput:
    names = sorted({"/".join(p for p in place[:2] if p != ONE) for place in places})
    return BadInput(f"{source.url} {what}.", f"Write one of these behind it: /{', /'.join(names)}.")


def _is_safe(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return not path.startswith("/") and "\\" not in path and not any(p[0] == "." for p in parts)


def _by_card(card: Mapping[str, Any], paths: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield configuration, split and path as the card names them."""
    configs = card.get("configs")
    for config in configs if isinstance(configs, list) else ():
        if not isinstance(config, dict):
            continue
        for split, pattern in _patterns(config.get("data_files")):
            for path in paths:
                if fnmatchcase(path, pattern.removeprefix("./")):
                    yield str(config.get("config_name", ONE)), split, path


def _patterns(found: object) -> Iterator[tuple[str, str]]:
    if isinstance(found, dict):
        found = [{"split": split, "path": path} for split, path in found.items()]
    for one in found if isinstance(found, list) else [found]:
        entry = one if isinstance(one, dict) else {"split": "train", "path": one}
        paths = entry.get("path")
        for path in paths if isinstance(paths, list) else [paths]:
            if isinstance(path, str):
                yield str(entry.get("split", "train")), path


def _by_name(path: str) -> tuple[str, str]:
    """Return configuration and split as the name of a file tells them."""
    folders, name = path.split("/")[:-1], path.rpartition("/")[2]
    found = [match[1] for step in (*folders, name) if (match := SPLIT.search(step))]
    kept = [folder for folder in folders if folder != "data" and not SPLIT.search(folder)]
    return kept[0] if kept else ONE, found[-1] if found else "train"


def _today(name: str, revision: str) -> str | None:
    """Return the commit that a branch or tag means now; None if the hub cannot say."""
    from huggingface_hub import HfApi

    try:
        with hub_errors(f"{SCHEME}{name}@{revision}", INSTEAD):
            info = HfApi(library_name="inhouse").dataset_info(
                name, revision=revision, timeout=TIMEOUT
            )
            return info.sha
    except InhouseError:
        return None
