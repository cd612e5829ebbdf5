"""Benchmarks: this program against a named peer, side by side in one run.

Each module here that is not a package is one bench with a function `run`; what they share lies in
`bench.harness`, what runs inside a peer's environment in `bench.workers`.
"""
