"""The machines of a Ray cluster: how a stage reaches them, and makes sure that they fit.

Ray is imported only when a cluster is asked for. What is done there is the business of the stages.
"""

from __future__ import annotations

import logging
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from inhouse.core.errors import BadInput, InhouseError, MissingExtra

PORT = 10001
REACHED = 5.0
"""Seconds within which a cluster takes a connection."""
ANSWER = 120.0
"""Seconds that each machine has to say what it sees."""

Machine = dict[str, Any]
"""What Ray tells of a machine."""


def require_ray(what: str) -> None:
    """Make sure that Ray is installed, for `what` needs it: the beginning of a sentence.

    Raises:
        MissingExtra: it is not.
    """
    if find_spec("ray") is None:
        raise MissingExtra(what, "ray")


@contextmanager
def connected(address: str, what: str) -> Iterator[Any]:
    """Yield Ray, connected to the cluster at an address; one that is connected already stays so.

    Args:
        address: such as ``ray://head:10001``.
        what: what needs it, as the beginning of a sentence.

    Raises:
        MissingExtra: Ray is not installed.
        BadInput: the cluster is not there.
    """
    require_ray(what)
    ray = import_module("ray")
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:  # noqa: ANN401
    try:
        _reach(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it says what the error says
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        raise BadInput(
            f"No Ray cluster answers at {address}: {last_words(error)}.",
            "Start one there with 'ray start --head', or correct 'on'; if it asks for a token, set "
            "RAY_AUTH_MODE=token here too.",
        ) from None


def _reach(address: str) -> None:
    """Make sure that something listens there: Ray would try for half a minute."""
    parts = urlsplit(address)
    if parts.scheme == "ray" and parts.hostname:
        socket.create_connection((parts.hostname, parts.port or PORT), REACHED).close()


def working_machines(ray: Any) -> list[Machine]:  # noqa: ANN401
    """Return the machines that are there and have processors."""
    return [one for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU")]


def check_machines(
    ray: Any,  # noqa: ANN401
    machines: Sequence[Machine],
    unseen: Callable[..., str],
    arguments: Sequence[object],
    extras: str,
) -> None:
    """Make sure that machines have this program, and see what they should.

    Args:
        ray: what `connected` yields.
        machines: those that are asked.
        unseen: called there with `arguments`; it returns a path that is not seen, "" if all are.
        arguments: what it is given.
        extras: what is to be installed there.

    Raises:
        BadInput: one does not.
    """
    strategies = import_module("ray.util.scheduling_strategies")
    for machine in machines:
        place = strategies.NodeAffinitySchedulingStrategy(machine["NodeID"], soft=False)
        task = ray.remote(num_cpus=0, scheduling_strategy=place)(_asked)
        name = machine["NodeManagerAddress"]
        try:
            path = ray.get(task.remote(unseen, *arguments), timeout=ANSWER)
        except (ray.exceptions.RayError, ImportError, RuntimeError) as error:
            raise BadInput(
                f"Machine {name} of the cluster cannot run this program: {last_words(error)}.",
                f"Install the same version there, with the extras {extras}.",
            ) from None
        if path:
            raise BadInput(
                f"Machine {name} of the cluster does not see {path}.",
                "Put 'store' on a path that all machines share under the same name.",
            )


def _asked(unseen: Callable[..., str], *arguments: object) -> str:
    try:
        return unseen(*arguments)
    except InhouseError as error:  # its own arguments do not travel
        raise RuntimeError(str(error)) from None


def last_words(error: BaseException) -> str:
    """Return the last thing that an error says."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (said or [type(error).__name__])[-1].rstrip(".")
