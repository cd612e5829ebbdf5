"""What was asked and answered: recorded before it is sent, kept by day, read under its label."""
