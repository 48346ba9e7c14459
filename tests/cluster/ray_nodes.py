"""A Ray cluster of two raylets on this machine; prints its address, and ends when its standard input does.

python -m tests.cluster.ray_nodes
"""

from __future__ import annotations

import sys


def main() -> None:
    """Start, say where, wait, stop."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 100_000_000, "include_dashboard": False})
    cluster.add_node(num_cpus=2, object_store_memory=100_000_000)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
