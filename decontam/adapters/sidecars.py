"""Sidecars: what a step of a host writes beside the documents of one rank: quarantine, errors, and last a tally.

Hosts forget: the statistics of a rank that is done again count twice or not at all. A rank overwrites its own files, so
these add up whatever happened before.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any

import orjson

from decontam import tables
from decontam.errors import BooksError, InputError
from decontam.folders import Folder
from decontam.jsontext import line_of
from decontam.outputs import ErrorLog
from decontam.places import Place
from decontam.tally import Tally
from decontam.types import Verdict

SCHEMA = 1


class Sidecars:
    """The files of one rank, which appear when it ends without an error, the tally last.

    `quarantine` and `books` are folders or URLs; without `books` tallies and errors lie in `quarantine`. Without either
    nothing is written. Raises InputError where a place cannot be written, or holds what other options made of this rank.
    """

    def __init__(self, quarantine: str | None, books: str | None, name: str, mark: dict[str, Any]) -> None:
        self._name, self._mark = name, mark
        self._held = quarantine is not None
        self._stack = ExitStack()
        home = books or quarantine
        self._folder = None if home is None else Folder(home, {"quarantine": quarantine} if quarantine else None)
        mine = {f"{name}.parquet", f"errors/{name}.jsonl", f"tallies/{name}.json"}
        for option, place in (("quarantine", quarantine), ("books", books)):
            if place is not None:
                Place(place).prove_writable(f"{option}=")
                Place(place).sweep(mine.__contains__)

    def __enter__(self) -> Sidecars:
        if self._folder is None:
            return self
        tally, errors, held = f"tallies/{self._name}.json", f"errors/{self._name}.jsonl", f"quarantine/{self._name}.parquet"
        before = self._folder.read(tally)
        if before is not None and orjson.loads(before)["fingerprint"] != self._mark["fingerprint"]:
            raise InputError(
                f"{self._folder.path(tally)} comes from other options, rules or version; "
                "choose another folder, and another logging_dir, or the host takes old ranks for done"
            )
        for name in (tally, errors, held):
            self._folder.remove(name)
        self._errors = ErrorLog(self._stack, self._folder, errors, errors)
        self._table = self._stack.enter_context(tables.Table(self._folder, held, tables.quarantine_schema, private=True))
        return self

    def seclude(self, id: str, row: int, source: str, verdict: Verdict, held: Any, exact: bool) -> None:
        """A document that was taken out, with what is to be held of it, if anything."""
        if self._folder is not None and self._held:
            record = None if held is None else line_of(held)
            about = {"source": source, "offset": None, "record": record, "exact": exact, "format": "jsonl"}
            self._table.add({**tables.findings_row(id, row, verdict), **about})

    def error(self, row: int, source: str, reason: str, message: str, document: Any) -> None:
        """A document that could not be screened."""
        if self._folder is not None:
            raw = line_of(document).decode()
            entry = {"source": source, "row": row, "offset": None, "reason": reason, "message": message, "raw": raw}
            self._errors.write(line_of(entry) + b"\n", 1)

    def finish(self, tally: Tally, seconds: dict[str, float]) -> None:
        """Publish all. Raises BooksError where the counts do not add up; then there is no tally."""
        if not tally.balanced:
            raise BooksError(f"{self._name}: {tally.records:,} documents came in, {sum(tally.outcomes.values()):,} are accounted for")
        self._stack.close()
        if self._folder is not None:
            with self._folder.publishing(f"tallies/{self._name}.json") as file:
                file.write(orjson.dumps({**self._mark, "seconds": seconds, "tally": tally.to_dict()}, option=orjson.OPT_INDENT_2))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)


def mark(fingerprint: str, rank: int, world_size: int) -> dict[str, Any]:
    """What a tally says of its making."""
    return {"schema": SCHEMA, "fingerprint": fingerprint, "rank": rank, "world_size": world_size}


def books(folder: str, step: str = "") -> Tally:
    """The tallies of all ranks, added up; `step` is `only` of a step for one stage.

    Raises BooksError where ranks are missing or do not belong together.
    """
    place = Place(folder)
    below = f"tallies/{step}".rstrip("/")
    names = [name for name in place.names(below) if name.endswith(".json") and "/" not in name]
    found = [orjson.loads(place.read(f"{below}/{name}") or b"{}") for name in sorted(names)]
    if not found:
        raise BooksError(f"{place.path(below)} holds no tallies; give the step quarantine= or books= and run it to its end")
    if len({(each["fingerprint"], each["world_size"]) for each in found}) > 1:
        raise BooksError(f"{place.path(below)} holds tallies of different options or numbers of tasks; use a folder for each run")
    missing = sorted(set(range(found[0]["world_size"])) - {each["rank"] for each in found})
    if missing:
        many = ", ".join(map(str, missing[:8])) + (" ..." if len(missing) > 8 else "")
        raise BooksError(f"{place.path(below)}: {len(missing)} of {found[0]['world_size']} ranks are not finished: {many}; run them again")
    return sum((Tally.from_dict(each["tally"]) for each in found), Tally())
