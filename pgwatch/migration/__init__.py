"""What migrations declare, read from their SQL, and whether the database has it."""
