"""PromQL over the embedded store."""
