"""What the cluster tests need and a bare machine lacks: a Python with Ray and Spark, Slurm's daemons. What cannot be installed fails."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

ROOT = Path(__file__).parents[2]
WANTED = Path(__file__).with_name("requirements.txt")


def ran(*command: object, **options: object) -> subprocess.CompletedProcess:
    """Run a command; an AssertionError tells what it said where it fails."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done


def python() -> Path:
    """The interpreter of an environment with the engines on top of this one; made once a machine, kept in the temporary folder."""
    key = hashlib.sha256(WANTED.read_bytes() + sys.executable.encode()).hexdigest()[:12]
    home = Path(tempfile.gettempdir(), f"decontam-engines-{os.getuid()}-{key}")
    interpreter = home / "bin/python"
    with FileLock(f"{home}.lock"):
        if not (home / "ready").exists():
            shutil.rmtree(home, ignore_errors=True)
            ran(sys.executable, "-m", "venv", home)
            (packages,) = home.glob("lib/python*/site-packages")
            (packages / "beneath.pth").write_text(sysconfig.get_paths()["purelib"])
            ran(interpreter, "-m", "pip", "install", "--quiet", "--requirement", WANTED)
            (home / "ready").touch()
    return interpreter


def debian(*packages: str, command: str) -> None:
    """Have Debian packages installed, if a command of theirs is missing."""
    with FileLock(Path(tempfile.gettempdir(), f"decontam-debian-{os.getuid()}.lock")):
        if shutil.which(command) is None:
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            ran("apt-get", "update", "-qq")
            ran("apt-get", "install", "-qq", "--no-install-recommends", *packages, env=env)


@contextmanager
def started(*command: object, env: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A command at work; it does not outlive the block."""
    said = subprocess.PIPE
    with subprocess.Popen([*map(str, command)], env=env, stdout=said, stderr=said, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def until(holds: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Wait until something holds, and return it; an AssertionError says `what` where it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not in {seconds} s"
        time.sleep(0.02)
    return found


def processes(words: Iterable[str]) -> list[int]:
    """The processes in whose command or environment all words stand."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                told = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            except OSError:
                continue
            if all(word.encode() in told for word in words):
                found.append(int(entry.name))
    return sorted(found)
