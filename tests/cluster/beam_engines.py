"""Engines that run Beam pipelines, installed by the ordinary clients and started on this machine: job service, Prism, Flink.

What was installed stays in a cache folder, which DECONTAM_CLUSTER_CACHE names. What cannot be installed or started fails, with the last
words of whoever said no.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import apache_beam
import pytest
from filelock import FileLock
from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("DECONTAM_CLUSTER_CACHE") or user_cache_path("decontam-cluster"))
_OPENED = ("lang", "lang.reflect", "net", "io", "nio", "text", "time", "util", "util.concurrent", "util.concurrent.atomic")
_JAVA = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED]


@dataclass(frozen=True)
class Engine:
    """Options that make Beam run a pipeline there, and the id of the process, besides workers, that a test may kill."""

    options: tuple[str, ...]
    victim: Callable[[], int] | None = None


def _installed(what: str, folder: str, command: Callable[[Path], Sequence[str]], **env: Callable[[Path], str]) -> Path:
    """A folder of the cache, once the command has filled it; it appears whole, and several tests may ask at once."""
    target, part = CACHE / folder, CACHE / f"{folder}.part"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"{what}.lock"):
        if not target.exists():
            asked = command(part)
            if shutil.which(asked[0]) is None:
                pytest.fail(f"{what} cannot be installed: {asked[0]} is not on the PATH")
            shutil.rmtree(part, ignore_errors=True)
            environment = {**os.environ, **{name: value(part) for name, value in env.items()}}
            done = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                pytest.fail(f"{what} cannot be installed: {' '.join(asked)}\n{(done.stdout + done.stderr)[-3000:]}")
            part.rename(target)
    return target


def prism_binary() -> Path:
    """Prism of the version of the SDK, built from its Go module."""
    version = apache_beam.__version__
    install = ["go", "install", f"github.com/apache/beam/sdks/v2/go/cmd/prism@v{version}"]
    return _installed("Prism", f"prism-{version}", lambda folder: install, GOBIN=str) / "prism"


def flink_jars() -> Path:
    """A folder with Beam's job server for Flink and Flink itself, from Maven."""
    copy = [
        "mvn",
        "-B",
        "-q",
        "-f",
        str(Path(__file__).parent / "beam_flink.xml"),
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
    ]
    return _installed("Flink", "flink-1.19-beam-2.62.0", lambda folder: [*copy, f"-DoutputDirectory={folder}"])


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _started(name: str, command: Sequence[str], log: Path) -> Iterator[subprocess.Popen]:
    """A process and its children, until the block ends."""
    # Workers are told to start `python`, and must find ours and the code under test.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    with (log / f"{name}.log").open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def _until(what: str, process: subprocess.Popen, log: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            said = "\n".join(path.read_text("utf-8", "replace")[-2000:] for path in sorted(log.glob(f"{what}*.log")))
            pytest.fail(f"{what} does not start:\n{said}")
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def worker_pool(log: Path) -> Iterator[tuple[str, ...]]:
    """Beam's external worker pool, which starts a process for each worker that an engine asks for; the options that name it."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}"]
    with _started("pool", command, log) as process:
        _until("pool", process, log, lambda: _listens(port))
        yield "--environment_type=EXTERNAL", f"--environment_config=127.0.0.1:{port}"


@contextmanager
def job_service(log: Path) -> Iterator[Engine]:
    """Beam's portable job service of Python."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", f"--job_port={port}"]
    with worker_pool(log) as workers, _started("service", command, log) as service:
        _until("service", service, log, lambda: _listens(port))
        yield Engine(("--runner=PortableRunner", f"--job_endpoint=127.0.0.1:{port}", *workers))


@contextmanager
def expansion_service(log: Path) -> Iterator[str]:
    """The address of Beam's service that makes our transforms for pipelines in other languages."""
    (port,) = free_ports(1)
    # Workers inside the runner's own process, where there is no container.
    options = f"--port={port}", "--fully_qualified_name_glob=decontam.adapters.beam.*", "--environment_type=beam:env:embedded_python:v1"
    command = [sys.executable, "-m", "apache_beam.runners.portability.expansion_service_main", *options]
    with _started("expansion", command, log) as service:
        _until("expansion", service, log, lambda: _listens(port))
        yield f"127.0.0.1:{port}"


@contextmanager
def prism(log: Path) -> Iterator[Engine]:
    """Prism, Beam's own runner in Go."""
    job, web = free_ports(2)
    command = [str(prism_binary()), f"--job_port={job}", f"--web_port={web}"]
    with worker_pool(log) as workers, _started("prism", command, log) as server:
        _until("prism", server, log, lambda: _listens(job))
        yield Engine(("--runner=PortableRunner", f"--job_endpoint=127.0.0.1:{job}", *workers))


_MEMORY = {
    "framework.heap.size": 128, "framework.off-heap.size": 128, "task.heap.size": 256, "task.off-heap.size": 0, "managed.size": 64,
    "network.min": 192, "network.max": 192, "jvm-metaspace.size": 256, "jvm-overhead.min": 128, "jvm-overhead.max": 128,
}  # fmt: skip
"""In MB: what Flink's own scripts would work out."""


def _flink_conf(folder: Path, rpc: int, rest: int) -> Path:
    said = {
        "jobmanager.rpc.address": "127.0.0.1", "jobmanager.rpc.port": rpc, "jobmanager.bind-host": "127.0.0.1",
        "rest.address": "127.0.0.1", "rest.port": rest, "rest.bind-address": "127.0.0.1",
        "taskmanager.host": "127.0.0.1", "taskmanager.bind-host": "127.0.0.1",
        "taskmanager.numberOfTaskSlots": 2, "taskmanager.cpu.cores": 2, "parallelism.default": 2,
        # A shuffle of few partitions needs fewer buffers than the default asks for.
        "taskmanager.network.sort-shuffle.min-buffers": 64,
        # Without this a job fails with the first worker.
        "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": 5, "restart-strategy.fixed-delay.delay": "500 ms",
        "heartbeat.interval": 1000,
        **{f"taskmanager.memory.{name}": f"{size}m" for name, size in _MEMORY.items()},
    }  # fmt: skip
    folder.mkdir()
    (folder / "config.yaml").write_text("".join(f"{name}: {value}\n" for name, value in said.items()))
    return folder


@contextmanager
def flink(log: Path) -> Iterator[Engine]:
    """A Flink cluster (a JobManager, and a TaskManager that is started again when it dies), Beam's job server for it, a worker pool."""
    jars = flink_jars()
    rpc, rest, job, artifacts, expansion = free_ports(5)
    conf = str(_flink_conf(log / "conf", rpc, rest))
    # What they spill has to go with the test: who is killed does not tidy up.
    java = ["java", *_JAVA, "-Xmx512m", f"-Djava.io.tmpdir={log}", "-cp", f"{jars}/*"]
    with ExitStack() as stack:
        workers = stack.enter_context(worker_pool(log))
        main = [*java, "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", "--configDir", conf]
        master = stack.enter_context(_started("jobmanager", main, log))
        _until("jobmanager", master, log, lambda: _listens(rest) and _listens(rpc))
        task = [*java, "org.apache.flink.runtime.taskexecutor.TaskManagerRunner", "--configDir", conf]
        again = ["bash", "-c", 'while :; do "$@"; done', "taskmanager", *task]
        supervisor = stack.enter_context(_started("taskmanager", again, log))
        driver = [*java, "org.apache.beam.runners.flink.FlinkJobServerDriver", f"--flink-master=127.0.0.1:{rest}",
                  f"--artifacts-dir={log / 'artifacts'}", "--job-host=127.0.0.1", f"--job-port={job}",
                  f"--artifact-port={artifacts}", f"--expansion-port={expansion}"]  # fmt: skip
        server = stack.enter_context(_started("jobserver", driver, log))
        _until("jobserver", server, log, lambda: _listens(job))
        _until("taskmanager", supervisor, log, lambda: _slots(rest) == 2)
        options = "--runner=PortableRunner", f"--job_endpoint=127.0.0.1:{job}", "--parallelism=2", "--environment_cache_millis=30000"
        yield Engine((*options, *workers), lambda: _child(supervisor.pid))


def _child(parent: int) -> int:
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def _slots(rest: int) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{rest}/overview", timeout=5) as answer:
            return int(answer.read().partition(b'"slots-total":')[2].partition(b",")[0])
    except URLError:
        return -1
