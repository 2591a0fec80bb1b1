"""The roofing database, its migrations, workload and faults."""
