"""A program for tests: a Ray cluster of two machines, as Ray sees it, on this one.

``python two_machines.py PORT``: it says ``ready`` once the cluster answers at PORT. At each line on
its standard input it ends the second machine; at the end of the input, the cluster.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

MEMORY = 100 * 2**20

if __name__ == "__main__":
    head = {
        "num_cpus": 1,
        "object_store_memory": MEMORY,
        "ray_client_server_port": int(sys.argv[1]),
        "include_dashboard": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    print("ready", flush=True)
    for _ in sys.stdin:
        cluster.remove_node(second, allow_graceful=False)
    cluster.shutdown()
