"""Running queries and probes, when they are due."""
