"""pgwatch watches PostgreSQL databases through and after a schema migration."""

__version__ = "0.1.0"
