"""The one door: versions, lineage, labels, access, audit and bytes."""

from inhouse.catalog.store import Catalog, Made

__all__ = ["Catalog", "Made"]
