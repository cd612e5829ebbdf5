"""inhouse.yaml, the plan it makes, and the run that follows it."""
