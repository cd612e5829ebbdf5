"""Personal data and toxicity in text: found, hidden, and told as clauses of a label."""
