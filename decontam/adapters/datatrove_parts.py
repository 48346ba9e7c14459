"""datatrove's executors at work on `decontam run`: each rank screens a part of the shards, with the outputs and books of the command.

datatrove schedules, starts and counts; nothing of a record passes through it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from datatrove.executor import RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.pipeline.base import PipelineStep

from decontam.config import check
from decontam.errors import InputError, ShardError, StalledError
from decontam.folders import Folder
from decontam.run import Job, prepare, run
from decontam.shares import FOLDER, Share
from decontam.tally import OUTCOMES

LOGS = f"{FOLDER}/datatrove"
_LOOKS = 20  # at what has moved, in the time after which nothing has


class Part(PipelineStep):
    """Screens part `rank` of `world_size` of a job's shards; documents neither come in nor go out.

    Raises InputError, and ShardError where shards failed, so that the rank is not taken for done.
    """

    type = "🔻 - FILTER"
    name = "🧼 Decontam part"
    __slots__ = ("_config", "_job")  # datatrove writes what is in __dict__ to executor.json

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._config, self._job = job.config.to_dict(), replace(job, config=None)  # type: ignore[arg-type]

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Screen the part."""
        _end_with_pool()
        told = run(replace(self._job, config=check(self._config), share=Share(rank + 1, world_size)))
        self.stat_update("records", value=told["tally"]["records"])
        for outcome in OUTCOMES:
            if count := told["tally"]["outcomes"].get(outcome):
                self.stat_update(outcome, value=count)
        if told["problems"]:
            raise ShardError("; ".join(f"{shard}: {problem}" for shard, problem in told["problems"].items()))
        yield from ()


def _end_with_pool() -> None:
    """End this process when the one that has started it is gone, if that is a pool of datatrove's: nobody would wait for it any more."""
    from multiprocess import current_process

    def watch(parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if current_process().daemon:
        threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()


def on(name: str, job: Job, parts: int, options: Mapping[str, Any], stall: float) -> None:
    """Screen a job in so many parts on `slurm` or `ray`, and wait for the end; `finishing.finish` puts them together.

    `options` are those of datatrove's executor. Raises InputError where the job cannot run, StalledError where nothing has moved for
    `stall` seconds. The same call goes on with what is left.
    """
    job = replace(job, sign_key=None)
    executor = executor_on(name, [Part(job)], parts, f"{job.out}/{LOGS}", options)
    folder, left = prepare(job, parts)
    for number in left:  # whatever datatrove remembers of them
        folder.remove(f"{LOGS}/completions/{number - 1:05}")
    if not left:
        return
    try:
        watched(executor, stall, lambda: _moved(folder))
    except subprocess.CalledProcessError as error:
        raise InputError(f"executor {name}: {error.cmd[0]} refused the job, in its own words above") from None


def options_from(given: Iterable[str]) -> dict[str, Any]:
    """`KEY=VALUE`s as options of an executor; values are JSON where they can be, and text otherwise. Raises InputError.

    >>> options_from(["time=24:00:00", "mem_per_cpu_gb=4", 'sbatch_args={"account": "us"}'])
    {'time': '24:00:00', 'mem_per_cpu_gb': 4, 'sbatch_args': {'account': 'us'}}
    """
    found = {}
    for option in given:
        key, equals, value = option.partition("=")
        if not equals:
            raise InputError(f"{option}: not an option of an executor; say KEY=VALUE, such as partition=cpu")
        try:
            found[key] = orjson.loads(value)
        except orjson.JSONDecodeError:
            found[key] = value
    return found


def executor_on(name: str, pipeline: list[Any], tasks: int, logs: str, options: Mapping[str, Any]) -> Any:
    """datatrove's executor on `slurm` or `ray`, with defaults under which it runs where nothing is said.

    Slurm: the Python that submits, wherever it is, 24 hours, no QOS. Ray: the cluster that RAY_ADDRESS names, or the one of this machine.
    Raises InputError where an option is wrong or a cluster is not there.
    """
    given: dict[str, Any] = {"pipeline": pipeline, "tasks": tasks, "logging_dir": logs, **options}
    try:
        if name == "ray":
            import ray

            if not ray.is_initialized():
                ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), log_to_driver=False)
            return RayPipelineExecutor(**given)
        if shutil.which("sbatch") is None:
            raise InputError("executor slurm: there is no sbatch here; run this on a machine that submits jobs")
        path = f'export PATH="{Path(sys.executable).parent}:$PATH"'
        ours = {"env_command": path, "qos": None, "time": "24:00:00", "job_name": "decontam"}
        # Without this, what merges statistics would wait for ever where a task has failed.
        extra = {"sbatch_args": {"kill-on-invalid-dep": "yes", **options.get("sbatch_args", {})}}
        return SlurmPipelineExecutor(**{**ours, **given, **extra})
    except (TypeError, ImportError, ConnectionError) as error:
        raise InputError(f"executor {name}: {error}") from None


def _moved(folder: Folder) -> object:
    """What has begun and what is finished so far."""
    return [len(folder.names(name)) for name in (FOLDER, "tallies", "parts")]


def watched(executor: Any, seconds: float = 1800, moved: Callable[[], object] | None = None) -> None:
    """Run an executor of datatrove and wait for its end, or until nothing has moved for some seconds.

    A worker that is killed leaves datatrove's Local and Ray executors waiting for ever. `moved` gives what changes as work goes on; by
    default the ranks that are done, so `seconds` must be more than a rank takes. Time in Slurm's queue does not count. Raises
    StalledError, and what the executor raises.
    """
    look = moved or (lambda: executor.logging_dir.list_files("completions"))
    raised: list[BaseException] = []

    def work() -> None:
        try:
            executor.run()
        except BaseException as error:  # noqa: BLE001 - raised again where somebody hears it
            raised.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    pause = min(seconds / _LOOKS, 5.0)
    last, since = look(), time.monotonic()
    while worker.is_alive() or (not raised and _queued(executor)):
        worker.join(pause) if worker.is_alive() else time.sleep(pause)
        now, states = look(), _queued(executor)
        if now != last or (states and "RUNNING" not in states):
            last, since = now, time.monotonic()
        elif time.monotonic() - since > seconds:
            why = f"job {executor.job_id} is still there: scancel it first" if states else "a worker was killed, or hangs"
            raise StalledError(f"nothing has moved for {seconds:g} s; {why}. The same command goes on with what is left")
    if raised:
        raise raised[0]


def _queued(executor: Any) -> set[str]:
    """The states of the tasks of an executor that are in Slurm's queue; nothing for executors of other kinds."""
    job = str(getattr(executor, "job_id", None) or "")
    if not job.isdecimal():  # -1 is datatrove's way to say that there was nothing to do
        return set()
    done = subprocess.run(["squeue", "--noheader", "--format=%T", "--jobs", job], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode and "Invalid job id" not in done.stderr:
        return {"UNKNOWN"}  # a controller that does not answer now has not ended the job
    return set(done.stdout.split())
