"""The one door: versions, lineage, labels, access, audit and bytes."""
