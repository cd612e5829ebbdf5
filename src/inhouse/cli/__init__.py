"""The words people type."""
