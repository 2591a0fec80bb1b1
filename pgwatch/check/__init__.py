"""The gate: one run, one verdict."""
