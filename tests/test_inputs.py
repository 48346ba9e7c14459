from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from decontam.errors import InputError
from decontam.inputs import discover, listed


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text('{"text": "x"}\n')


def names(*inputs: str, out: str | None = None) -> list[str]:
    return [shard.name for shard in discover(inputs, out)[0]]


def test_a_folder_gives_its_shards_and_says_what_it_passed_over(tmp_path: Path) -> None:
    touch(
        tmp_path, "a.jsonl", "deep/b.ndjson.gz", "deep/c.json.zst", "d.JSONL.bz2", "notes.txt", ".hidden.jsonl", "e.parquet", "f.parquet.gz"
    )
    shards, skipped = discover([str(tmp_path)])

    assert ["a.jsonl", "d.JSONL.bz2", "deep/b.ndjson.gz", "deep/c.json.zst", "e.parquet"] == [shard.name for shard in shards]
    assert [".hidden.jsonl", "f.parquet.gz", "notes.txt"] == sorted(Path(skip.path).name for skip in skipped)


def test_a_glob_keeps_what_lies_below_its_fixed_part(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.jsonl", "y/a.jsonl", "y/b.txt")

    assert ["x/a.jsonl", "y/a.jsonl"] == names(f"{tmp_path}/**/*.jsonl")


def test_urls_work_like_paths() -> None:
    fs = fsspec.filesystem("memory")
    for name in ("a.jsonl", "deep/b.jsonl.gz", "c.txt"):
        fs.pipe(f"/inputs/{name}", b'{"text": "x"}\n')

    assert ["a.jsonl", "deep/b.jsonl.gz"] == names("memory://inputs")
    assert ["a.jsonl"] == names("memory://inputs/*.jsonl")
    assert ["a.jsonl"] == names("memory://inputs/a.jsonl")


@pytest.mark.parametrize("wanted", ["", "no/such", "memory://no/such", "/no/*.jsonl"])
def test_nothing_to_do_is_a_mistake(wanted: str) -> None:
    with pytest.raises(InputError):
        names(*([wanted] if wanted else []))


def test_a_file_that_is_no_shard_is_a_mistake(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    with pytest.raises(InputError, match=r"not \.jsonl"):
        names(str(tmp_path / "a.txt"))


def test_two_files_of_one_name_are_a_mistake_and_one_named_twice_is_not(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.jsonl", "y/a.jsonl")
    with pytest.raises(InputError, match="would both be written as"):
        names(str(tmp_path / "x"), str(tmp_path / "y"))

    assert ["a.jsonl"] == names(str(tmp_path / "x"), str(tmp_path / "x" / "a.jsonl"))


@pytest.mark.parametrize(("given", "out"), [("data", "data"), ("data", "data/out"), ("data", "."), ("data/a.jsonl", "data")])
def test_input_and_output_lie_apart(given: str, out: str, tmp_path: Path) -> None:
    touch(tmp_path, "data/a.jsonl")
    with pytest.raises(InputError, match="lies inside"):
        names(str(tmp_path / given), out=str(tmp_path / out))


def test_a_list_of_files() -> None:
    assert ["a b.jsonl", "s3://x/y.jsonl"] == listed(["# mine\n", " a b.jsonl \n", "\n", "s3://x/y.jsonl"])
