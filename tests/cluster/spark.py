"""A standalone Spark cluster on this machine, from the classes that pyspark brings: a master, two workers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .engines import ROOT, debian, free_ports, python, ran, until


@contextmanager
def spark(home: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The beginning of a command that runs a script on the cluster, and its environment."""
    debian("openjdk-17-jre-headless", command="java")
    package = Path(ran(python(), "-c", "import pyspark; print(*pyspark.__path__)").stdout.strip())
    (port,) = free_ports(1)
    master = f"spark://127.0.0.1:{port}"
    # A shell's SPARK_HOME or a proxy for Java would lead elsewhere.
    env = {name: value for name, value in os.environ.items() if name not in {"SPARK_HOME", "JAVA_TOOL_OPTIONS"}}
    env |= {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": str(python()), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}
    script, deploy = str(package / "bin/spark-class"), "org.apache.spark.deploy"
    master_class = [script, f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    worker = [script, f"{deploy}.worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--webui-port", "0"]
    with ExitStack() as stack:
        for number, command in enumerate([master_class, worker, worker]):
            log = home / f"{number}.log"
            more = [] if number == 0 else ["--work-dir", str(home / f"work-{number}"), master]
            with log.open("w") as said:
                started = stack.enter_context(subprocess.Popen([*command, *more], env=env, stdout=said, stderr=said))
            stack.callback(started.terminate)
            ready = "I have been elected leader" if number == 0 else "Successfully registered with master"
            until(lambda log=log, ready=ready: ready in log.read_text(), f"Spark, see {log}", 60)
        options = {
            "spark.executor.memory": "512m",
            "spark.sql.files.maxPartitionBytes": "200000",
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "2",
        }
        conf = [part for name, value in options.items() for part in ("--conf", f"spark.{name}={value}")]
        yield [str(package / "bin/spark-submit"), "--master", master, *conf], env
