"""What a git repository leaves out by its `.gitignore` files, without asking git."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

NAME = ".gitignore"


@dataclass(frozen=True, slots=True)
class Ignored:
    """The rules that hold in a folder: the folder of each set of rules, outermost first.

    They begin at the root of a repository, a folder with a `.git` in it; outside of one there are
    none.
    """

    rules: tuple[tuple[str, GitIgnoreSpec], ...] = ()
    inside: bool = False

    @classmethod
    def around(cls, folder: Path) -> Ignored:
        """Return the rules for what lies in `folder`, those of the folders above it included.

        If it is left out itself, they end there: whoever names it wants what is in it.

        Raises:
            OSError: a file of rules cannot be read.
        """
        above = [folder, *folder.parents]
        depth = next((i for i, each in enumerate(above) if (each / ".git").exists()), 0)
        found = cls()
        for each in reversed(above[: depth + 1]):
            if found.covers(str(each), is_folder=True):
                found = cls(inside=True)
            found = found.below(each)
        return found

    def below(self, folder: Path) -> Ignored:
        """Return the rules for what lies in `folder`, which lies where these rules hold.

        Raises:
            OSError: a file of rules cannot be read.
        """
        is_root = (folder / ".git").exists()
        if not (is_root or self.inside):
            return self
        rules = () if is_root else self.rules
        sources = (folder / ".git" / "info" / "exclude", folder / NAME) if is_root else None
        for source in sources or (folder / NAME,):
            if source.is_file():
                rules = (*rules, (folder.as_posix(), _spec(source)))
        return Ignored(rules, inside=True)

    def covers(self, path: str, *, is_folder: bool) -> bool:
        """Tell whether git leaves out what lies at the absolute `path`; the last word counts."""
        for folder, spec in reversed(self.rules):
            relative = Path(path).relative_to(folder).as_posix()
            word = spec.check_file(relative + "/" if is_folder else relative).include
            if word is not None:
                return word
        return False


def _spec(file: Path) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return GitIgnoreSpec.from_lines(filter(_is_rule, lines))


def _is_rule(line: str) -> bool:
    """Tell whether a line means anything; git passes over what does not."""
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
