"""Programs that run in a peer's environment: one round for each line they read.

They import that peer and the standard library only, and answer each line with the seconds it took.
"""
