"""Weights, engines and embedders behind the protocols of the core."""
