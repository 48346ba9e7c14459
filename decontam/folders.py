"""Folders: where a run writes, which may be more than one place: quarantine need not lie where everybody may look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager

from decontam.codecs import BLOCK
from decontam.config import Config
from decontam.files import Digesting, open_bytes
from decontam.places import Place


class Folder:
    """Where a run writes: a folder of this machine or a URL. Names are relative, with `/`.

    What stands below a name of `elsewhere` lies in the place that it leads to: with `{"quarantine": "s3://vault/run-7"}`
    the file `quarantine/a.parquet` is `s3://vault/run-7/a.parquet`. Such a place may hold files of others, so a folder as a
    whole is only ever removed at home.

    Raises InputError where no client for a URL is installed; methods raise OSError.
    """

    def __init__(self, root: str, elsewhere: Mapping[str, str] | None = None) -> None:
        self._home = Place(root)
        self._elsewhere = {below: Place(place) for below, place in (elsewhere or {}).items()}
        self.root = self._home.root
        self.remote = self._home.remote

    def _at(self, name: str) -> tuple[Place, str]:
        for below, place in self._elsewhere.items():
            if name.startswith(f"{below}/"):
                return place, name.removeprefix(f"{below}/")
        return self._home, name

    def path(self, name: str) -> str:
        place, inside = self._at(name)
        return place.path(inside)

    def elsewhere(self, name: str) -> str | None:
        """The whole path of a file that does not lie below `root`; None for one that does."""
        place, inside = self._at(name)
        return None if place is self._home else place.path(inside)

    def exists(self, name: str = "") -> bool:
        place, inside = self._at(name)
        return place.exists(inside)

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None where there is none."""
        place, inside = self._at(name)
        return place.read(inside)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The content of a file, some at a time; nothing where there is none."""
        if self.exists(name):
            with open_bytes(self.path(name)) as file:
                while block := file.read(BLOCK):
                    yield block

    def names(self, below: str = "") -> list[str]:
        """Every file in the folder, or below one of its folders, by its name relative to that."""
        if below:
            place, inside = self._at(f"{below}/")
            return place.names(inside.rstrip("/"))
        there = [f"{below}/{name}" for below, place in self._elsewhere.items() for name in place.names()]
        return self._home.names() + there

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all it holds, if it is there."""
        place, inside = self._at(name)
        place.remove(inside)

    def prune(self, name: str) -> None:
        """Remove the empty folders in a folder, and itself if it is empty then."""
        place, inside = self._at(name)
        place.prune(inside)

    def sweep(self, ours: Callable[[str], bool], shared: bool = False) -> None:
        """Remove what writers that were killed left behind; elsewhere, and at home if that is `shared`, only of files that are `ours`."""
        self._home.sweep(ours if shared else lambda name: True)
        for below, place in self._elsewhere.items():
            place.sweep(_under(below, ours))

    def prove_writable(self) -> None:
        """Try the places elsewhere; home is tried by the first file of a run. Raises InputError where one fails."""
        for below, place in self._elsewhere.items():
            place.prove_writable(f"--{below}")

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is published in the block appears at its end, tallies last, or not at all where the block fails.

        Raises OSError at the end where a disk fails.
        """
        with self._home.together(), ExitStack() as others:  # tallies are at home, so what lies elsewhere is published first
            for place in self._elsewhere.values():
                others.enter_context(place.together())
            yield

    def publishing(self, name: str, private: bool = False) -> AbstractContextManager[Digesting]:
        """A file that exists under its name only once the block has ended without an error.

        `private` files and the folders made for them are for their owner alone (0600, 0700).
        """
        place, inside = self._at(name)
        return place.publishing(inside, private)

    def link_or_copy(self, source: str, name: str) -> str:
        """Put a file of the inputs under `name` as it is: a hard link where the disk can, a copy elsewhere."""
        place, inside = self._at(name)
        return place.link_or_copy(source, inside)


def _under(below: str, ours: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda name: ours(f"{below}/{name}")


def folder_of(out: str, config: Config) -> Folder:
    """The folder that a run writes to."""
    quarantine = config.output.quarantine
    return Folder(out, {"quarantine": quarantine} if quarantine else None)
