"""A whole round with a server that may reach nobody: run as a program, also where there is no net.

Prints what the server's process connected to, as its own audit hook saw it, and how often the
system was asked for a way out of this machine, where it counts that.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from pathlib import Path

from served_process import serving, upstream

HOOK = """
import os, sys
EVENTS = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")
def watch(event, args):
    if event in EVENTS:
        where = args[-1] if event in EVENTS[:2] else args[:2]
        with open(os.environ["GUARD"], "a") as out:
            print(event, where, file=out)
        if event in EVENTS[:2] and where[:2] != ("127.0.0.1", int(os.environ["UPSTREAM"])):
            raise ConnectionRefusedError(f"not allowed: {where}")
sys.addaudithook(watch)
"""
PROJECT = """\
project: weights
data: {{docs: {{from: ./docs}}}}
models:
  base: {{from: smollm2-135m-instruct}}
  minilm: {{from: minilm-l6}}
knowledge: {{docs: {{from: data/docs, embed: models/minilm}}}}
endpoints:
  page: {{model: models/base, knowledge: knowledge/docs}}
  own: {{model: models/base}}
  api: {{model: {{api: "http://127.0.0.1:{port}/v1", name: echo}}}}
"""


def loopback_up() -> None:
    """Switch on the loopback of a network that has nothing else."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))


def ways_out() -> int | None:
    """Return how often the system found no way out of this machine; None if it does not say."""
    try:
        lines = Path("/proc/net/snmp").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    names, values = [line.split() for line in lines if line.startswith("Ip:")]
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"])


def main(folder: str, alone: str) -> None:
    root = Path(folder)
    if alone == "alone":
        loopback_up()
    (root / "hook").mkdir()
    (root / "hook" / "sitecustomize.py").write_text(HOOK)
    seen = root / "seen"
    seen.touch()
    path = os.pathsep.join([str(root / "hook"), os.environ.get("PYTHONPATH", "")])
    with upstream() as port:
        file = root / "inhouse.yaml"
        file.write_text(PROJECT.format(port=port), encoding="utf-8")
        from small_project import opened

        with opened(file) as project:
            project.run()
        before = ways_out()
        env = {"PYTHONPATH": path, "GUARD": str(seen), "UPSTREAM": str(port)}
        with serving(file, **env) as served:
            asked = {name: served.ask("A sentence?", endpoint=name) for name in ("own", "page")}
            asked["api"] = served.ask(stream=True)
        after = ways_out()
    if alone == "alone":
        with socket.socket() as out:  # shows that the system does count
            out.connect_ex(("192.0.2.1", 9))
    print(
        json.dumps(
            {
                "upstream": port,
                "statuses": {name: status for name, (status, _) in asked.items()},
                "seen": seen.read_text().splitlines(),
                "ways_out": [before, after, ways_out()],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
