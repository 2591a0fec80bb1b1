"""The PostgreSQL servers and databases that are watched, and connections that do them no harm."""
