"""Backups on disk: what kind they are, and whether they are whole. Reads, never writes; streams."""
