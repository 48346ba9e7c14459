from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from decontam.codecs import codec_of, compressing
from decontam.errors import ShardError
from decontam.files import Source
from decontam.folders import Folder

from .conftest import COMPRESS

TEXT = b'{"text": "one line of many"}\n' * 5000
codecs = pytest.mark.parametrize("codec", sorted(COMPRESS))
compressed = pytest.mark.parametrize("codec", sorted(COMPRESS.keys() - {""}))


def content(path: Path) -> tuple[bytes, str, int]:
    with Source(str(path)) as source:
        read = b"".join(iter(source.read, b""))
        return read, source.sha256(), source.size


@codecs
def test_a_file_is_read_to_its_end_and_hashed_as_it_is(codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.jsonl{codec}"
    path.write_bytes(COMPRESS[codec](TEXT))

    assert (TEXT, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size) == content(path)


@compressed
def test_members_frames_and_streams_follow_one_another(codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.jsonl{codec}"
    path.write_bytes(b"".join(COMPRESS[codec](TEXT[at : at + 50_000]) for at in range(0, len(TEXT), 50_000)))

    assert TEXT == content(path)[0]


@compressed
@pytest.mark.parametrize("keep", [0.1, 0.45, 0.99])
def test_a_file_that_stops_in_the_middle_is_an_error(codec: str, keep: float, tmp_path: Path) -> None:
    data = COMPRESS[codec](os.urandom(20_000)) * 2
    path = tmp_path / f"a.jsonl{codec}"
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ShardError, match=r"a\.jsonl.*truncated"):
        content(path)


@pytest.mark.parametrize("codec", [".gz", ".bz2"])  # a zstd frame need not have a checksum
@pytest.mark.parametrize("at", [30, 60, 300])
def test_damage_inside_compressed_text_is_an_error(codec: str, at: int, tmp_path: Path) -> None:
    data = COMPRESS[codec](b"".join(b"line %d of %d\n" % (number, number**3) for number in range(400)))
    path = tmp_path / f"a.jsonl{codec}"
    path.write_bytes(data[:at] + b"\x00\x00\x00\x00" + data[at + 4 :])
    with pytest.raises(ShardError, match=r"near byte"):
        content(path)


@compressed
@pytest.mark.parametrize("at", [0.02, 0.51])
def test_damage_is_an_error_in_the_first_stream_and_in_the_second(codec: str, at: float, tmp_path: Path) -> None:
    data = bytearray(COMPRESS[codec](os.urandom(20_000)) * 2)
    half = len(data) // 2 if at > 0.5 else 0
    data[half : half + 16] = b"damage" * 2 + b"!!!!"
    path = tmp_path / f"a.jsonl{codec}"
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"near byte"):
        content(path)


CHECKED = {**COMPRESS, ".zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})}
STREAMS = {codec: CHECKED[codec](TEXT[:3000]) + CHECKED[codec](TEXT[3000:9000]) for codec in COMPRESS if codec}


@given(
    st.sampled_from(sorted(STREAMS)), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6)), min_size=1, max_size=3)
)
def test_no_damage_passes_for_content(codec: str, damages: list[tuple[float, bytes]]) -> None:
    """Bytes changed or cut off anywhere: a ShardError, or the content as it was (names and times in headers are not content)."""
    data = STREAMS[codec]
    for place, junk in damages:
        at = int(len(data) * place)
        data = data[:at] + junk + data[at + len(junk) :] if junk else data[:at]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a.jsonl{codec}")
        path.write_bytes(data)
        try:
            read = content(path)[0]
        except ShardError as error:
            assert "near byte" in str(error)
        else:
            # A file that is cut between two streams is a shorter whole file to anyone.
            assert read in {
                TEXT[:9000],
                TEXT[:3000] if len(data) <= len(CHECKED[codec](TEXT[:3000])) else TEXT[:9000],
                b"" if not data else TEXT[:9000],
            }


@codecs
def test_what_is_written_is_what_is_read(codec: str, tmp_path: Path) -> None:
    with Folder(str(tmp_path)).publishing(f"deep/a.jsonl{codec}") as raw:
        file = compressing(raw, codec, 3)
        file.write(TEXT)
        file.close()
    path = tmp_path / "deep" / f"a.jsonl{codec}"

    assert (TEXT, raw.sha256(), raw.size) == content(path)


@codecs
def test_a_zero_byte_file_is_an_empty_shard(codec: str, tmp_path: Path) -> None:
    (tmp_path / f"a.jsonl{codec}").touch()

    assert b"" == content(tmp_path / f"a.jsonl{codec}")[0]


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no such file"):
        Source(str(tmp_path / "gone.jsonl"))


def test_nothing_appears_where_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Folder(str(tmp_path)).publishing("a.txt") as file:
        file.write(b"half")
        1 / 0  # noqa: B018

    assert [] == list(tmp_path.rglob("*"))


def test_an_older_file_stays_whole_until_the_new_one_is(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    (tmp_path / "a.txt").write_bytes(b"old")
    with folder.publishing("a.txt") as file:
        file.write(b"new")

        assert b"old" == folder.read("a.txt")
    assert b"new" == folder.read("a.txt")


def test_private_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    with Folder(str(tmp_path)).publishing("quarantine/deep/a.parquet", private=True) as file:
        file.write(b"x")

    assert 0o600 == stat.S_IMODE((tmp_path / "quarantine/deep/a.parquet").stat().st_mode)
    assert {0o700} == {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("quarantine", "quarantine/deep")}


def test_memory_is_a_folder_too() -> None:
    """fsspec's memory file system: publish by finished upload, read, remove."""
    folder = Folder("memory://bucket/out")
    with folder.publishing("kept/a.jsonl") as file:
        file.write(b"x")

    assert b"x" == folder.read("kept/a.jsonl")
    assert folder.exists("kept")
    folder.remove("kept")
    assert folder.read("kept/a.jsonl") is None


@pytest.mark.parametrize(("name", "codec"), [("a.jsonl.GZ", ".gz"), ("a.zst.jsonl", ""), ("a", "")])
def test_codec_of(name: str, codec: str) -> None:
    assert codec == codec_of(name)
