"""Compiled loops over the bytes of Arrow buffers: many texts at once, without Python's lock."""
