"""How kernels are compiled: once for a machine, kept beside the code or in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function when it is first called; other threads run meanwhile.

    Where nothing can be kept on disk, every process compiles for itself.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no folder that it may write
        return numba.njit(nogil=True)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small function into those that call it."""
    return numba.njit(nogil=True, inline="always")(function)
