"""Models made better by a company's own documents."""
