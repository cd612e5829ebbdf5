"""Nouns, label algebra, errors and protocols. Standard library only."""
