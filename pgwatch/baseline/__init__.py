"""What a database was like before: captured, kept in a file, and compared with what it is like now."""
