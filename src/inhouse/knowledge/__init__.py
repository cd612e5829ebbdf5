"""Sections that are found, under the labels of their sources."""
