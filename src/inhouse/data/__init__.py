"""Sources of text as versioned artifacts."""
