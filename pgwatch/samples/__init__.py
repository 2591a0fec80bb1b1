"""What was observed: labels, samples, and their recent history."""
