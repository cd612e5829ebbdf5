"""Sources of text as versioned artifacts: files are found, read and parsed into documents."""
