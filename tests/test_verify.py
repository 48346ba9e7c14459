"""A run proves itself: untouched it verifies, and whatever is done to it is named."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam import proof
from decontam.audit.verify import verify
from decontam.config import load_config
from decontam.errors import InputError
from decontam.folders import Folder
from decontam.proof import Root
from decontam.signing import Signer, public_key, sign

from .conftest import shard
from .tampering import TAMPERINGS, Tampering, forged, found, made_in, tried
from .test_cli import decontam
from .test_run import API, HUMAN, MAIL, MIXED, TOLERANT, corpus


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tampering")
    made_in(folder)
    return folder


def test_a_run_that_was_reviewed_released_and_expired_verifies(root: Path) -> None:
    done = tried(root, Tampering("nothing", lambda out: None, "", ""))

    assert [] == done.problems
    assert (2, 0) == (done.entries, done.unsealed)


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.about)
def test_tampering_is_found_and_named(tampering: Tampering, root: Path) -> None:
    done = tried(root, tampering)

    assert found(done, tampering), done.problems


def test_at_least_forty_kinds_of_tampering_are_tried() -> None:
    assert 40 <= len({tampering.about for tampering in TAMPERINGS}) == len(TAMPERINGS)


def slow_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + slow_root(leaves[:k]) + slow_root(leaves[k:])).digest()


@given(st.integers(0, 70))
def test_the_root_is_the_one_of_rfc_6962(count: int) -> None:
    leaves = [hashlib.sha256(bytes([number])).digest() for number in range(count)]
    root = Root()
    for leaf in leaves:
        root.add(leaf)

    assert slow_root(leaves).hex() == root.digest()


def test_what_is_signed_holds_for_that_run_and_that_key_alone(screen_files: Callable, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    keys = [key_files(tmp_path, name) for name in ("ours", "theirs")]
    path = shard(tmp_path / "in/a.jsonl", MIXED)
    screen_files(path, config=load_config(None, TOLERANT), sign_key=str(keys[0][0]))
    out = tmp_path / "out"

    assert verify(str(out), public=public_key(str(keys[0][1]))).ok
    assert verify(str(out), public=public_key(str(keys[0][0]))).ok
    theirs = verify(str(out), public=public_key(str(keys[1][1])))
    assert [("missing", "proof/signatures.json")] == [problem[:2] for problem in theirs.problems]
    forged(lambda out: (out / "kept/a.jsonl").write_bytes(b"{}\n"))(out)
    for name in ("manifest.json", "tallies/a.jsonl.json"):  # whoever makes everything anew cannot make the signature
        assert "signature" in " ".join(problem.name for problem in verify(str(out), public=public_key(str(keys[0][1]))).problems), name


def key_files(folder: Path, name: str) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_signing_twice_with_one_key_is_signing_once(screen_files: Callable, tmp_path: Path) -> None:
    private, _ = key_files(tmp_path, "k")
    path = shard(tmp_path / "in/a.jsonl", [HUMAN])
    for _ in range(2):
        screen_files(path, sign_key=str(private))

    assert 1 == len(json.loads((tmp_path / "out/proof/signatures.json").read_bytes())["signatures"])


def test_a_changed_signature_does_not_hold(screen_files: Callable, tmp_path: Path) -> None:
    private, public = key_files(tmp_path, "k")
    screen_files(shard(tmp_path / "in/a.jsonl", MIXED), config=load_config(None, TOLERANT))
    folder = Folder(str(tmp_path / "out"))
    run = proof.read(folder)["run"]
    made = sign(folder, Signer.of(str(private)), run)
    path = tmp_path / "out/proof/signatures.json"
    path.write_text(path.read_text().replace(made["signature"], "00" * 64))

    assert not verify(str(tmp_path / "out"), public=public_key(str(public))).ok


def test_a_digest_that_was_noted_elsewhere_finds_a_proof_made_anew(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", MIXED)
    noted = screen_files(path, config=load_config(None, TOLERANT))["proof"]
    shard(path, MIXED[:-1])
    later = screen_files(path, config=load_config(None, TOLERANT), overwrite=True)["proof"]
    out = str(tmp_path / "out")

    assert verify(out, digest=later).ok
    assert ["changed"] == [problem.kind for problem in verify(out, digest=noted).problems]


def test_the_content_of_a_run_has_one_digest_whoever_does_it_again(screen_files: Callable, tmp_path: Path) -> None:
    source, config = corpus(tmp_path / "in"), load_config(None, TOLERANT)
    for name, workers in (("a", 0), ("b", 2)):
        screen_files(source, config=config, out=tmp_path / name, workers=workers)
    told = [proof.read(Folder(str(tmp_path / name))) for name in "ab"]

    assert told[0]["leaves"]["content"] == told[1]["leaves"]["content"]
    assert told[0]["run"] != told[1]["run"]


@pytest.mark.parametrize("options", [{}, {"kept": "none"}, {"kept": "changed"}, {"checkpoint_bytes": 500}])
def test_runs_of_every_make_verify(options: dict, screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    screen_files(source, config=load_config(None, {**TOLERANT, "output": options}))
    limited = tmp_path / "limited"
    screen_files(source, config=load_config(None, TOLERANT), out=limited, limit=2)
    screen_files(source, config=load_config(None, {**TOLERANT, "output": {"quarantine": str(tmp_path / "vault")}}), out=tmp_path / "apart")
    (tmp_path / "vault/mine.txt").write_text("a neighbour's")

    assert [] == [problem for out in ("out", "limited", "apart") for problem in verify(str(tmp_path / out), "require").problems]
    (tmp_path / "vault/a.jsonl.parquet").write_bytes(b"x")
    assert ["quarantine/a.jsonl.parquet"] == [problem.name for problem in verify(str(tmp_path / "apart")).problems]


def test_a_run_that_was_moved_verifies_and_says_which_inputs_are_not_there(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(corpus(tmp_path / "in"), config=load_config(None, TOLERANT))
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "in")
    done, strictly = (verify(str(tmp_path / "elsewhere"), inputs) for inputs in ("check", "require"))

    assert (True, 7) == (done.ok, len(done.absent))
    assert ["missing"] * 7 == [problem.kind for problem in strictly.problems]
    assert [] == verify(str(tmp_path / "elsewhere"), "skip").absent


def test_a_run_in_an_object_store_verifies(screen_files: Callable, tmp_path: Path) -> None:
    import fsspec

    screen_files(shard(tmp_path / "in/a.jsonl.zst", MIXED), config=load_config(None, TOLERANT), out="memory://verify/out")
    fs = fsspec.filesystem("memory")

    assert verify("memory://verify/out").ok
    fs.pipe("/verify/out/kept/a.jsonl.zst", b"x")
    assert [("changed", "kept/a.jsonl.zst")] == [problem[:2] for problem in verify("memory://verify/out").problems]


def test_doing_a_whole_run_again_leaves_its_proof_as_it_is(screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    first = screen_files(source, config=load_config(None, TOLERANT))
    files = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    again = screen_files(source, config=load_config(None, TOLERANT))

    assert files == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert (first["proof"], first["tally"], 7) == (again["proof"], again["tally"], again["resumed"])


def test_a_shard_that_is_done_again_gets_a_proof_of_its_own(screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    first = screen_files(source, config=load_config(None, TOLERANT))
    shard(source / "a.jsonl", MIXED)
    second = screen_files(source, config=load_config(None, TOLERANT))

    assert first["proof"] != second["proof"]
    assert verify(str(tmp_path / "out")).ok


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_people_have_judged_is_not_screened_again(overwrite: bool, screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", [HUMAN, API])
    screen_files(path)
    (tmp_path / "out/review").mkdir()
    (tmp_path / "out/review/verdicts.sqlite").write_bytes(b"")
    shard(path, [HUMAN, MAIL])
    os.utime(path, (1, 1))
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="out/review"):
        screen_files(path, overwrite=overwrite)

    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}


def test_the_commands_say_it_in_words_in_json_and_in_exit_codes(screen_files: Callable, tmp_path: Path) -> None:
    private, public = key_files(tmp_path, "k")
    screen_files(shard(tmp_path / "in/a.jsonl", MIXED), config=load_config(None, TOLERANT))
    out = tmp_path / "out"
    signed = decontam("sign", out, "--key", private)
    good = decontam("verify", out, "--public-key", public)
    (out / "kept/a.jsonl").write_bytes(b"{}\n")
    bad = decontam("verify", out)
    told = decontam("verify", out, "--json")
    none = decontam("verify", tmp_path / "in")
    wrong = decontam("sign", out, "--key", public)

    assert [0, 0, 1, 1, 2, 2] == [done.returncode for done in (signed, good, bad, told, none, wrong)]
    assert "as it was" in good.stdout
    assert "changed  kept/a.jsonl: rows 0 to " in bad.stdout
    assert ["kept/a.jsonl"] == [problem["name"] for problem in json.loads(told.stdout)["problems"]]
    assert "name the --out folder" in none.stderr
    assert "Ed25519" in wrong.stderr or "PEM" in wrong.stderr
