"""The words people type: one file per verb, and nothing heavy imported before a verb needs it."""

from inhouse.cli.app import main

__all__ = ["main"]
