"""A Slurm cluster of one node on this machine: munged, slurmctld and slurmd, with ports, keys and folders of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .engines import debian, free_ports, ran, until

_CONF = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
CredType=cred/munge
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=60
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm(home: Path) -> Iterator[dict[str, str]]:
    """The environment in which sbatch and squeue find the cluster; its jobs and daemons end with the block."""
    debian("slurm-wlm", "munge", command="slurmctld")
    controller, daemon = free_ports(2)
    for name in ("munge", "state", "spool"):
        (home / name).mkdir(parents=True)
    home.chmod(0o755)
    (home / "munge/key").write_bytes(os.urandom(128))
    (home / "munge/key").chmod(0o600)
    conf = home / "slurm.conf"
    conf.write_text(_CONF.format(host=socket.gethostname().partition(".")[0], controller=controller, daemon=daemon, home=home))
    env = {**os.environ, "SLURM_CONF": str(conf)}
    files = {name: home / "munge" / name for name in ("key", "socket", "pid", "log", "seed")}
    options = [f"--{'key-file' if name == 'key' else name if name == 'socket' else f'{name}-file'}={path}" for name, path in files.items()]
    commands = (["munged", "--foreground", "--force", *options], ["slurmctld", "-D"], ["slurmd", "-D"])
    with ExitStack() as stack:
        for command in commands:
            started = stack.enter_context(subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            stack.callback(started.terminate)
            if command[0] == "munged":
                until(files["socket"].exists, "munged")
        try:
            until(lambda: "idle" in ran("sinfo", "--noheader", "--format=%t", env=env).stdout, f"the node of {conf}")
            yield env
        finally:
            subprocess.run(["scancel", "--user", "root", "--signal=KILL", "--full"], env=env, check=False, capture_output=True)
            subprocess.run(["scancel", "--user", "root"], env=env, check=False, capture_output=True)
            deadline = time.monotonic() + 20
            while subprocess.run(["squeue", "-h"], env=env, check=False, capture_output=True).stdout and time.monotonic() < deadline:
                time.sleep(0.2)
    shutil.rmtree(home / "munge")
