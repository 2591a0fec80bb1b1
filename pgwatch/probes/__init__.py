"""Observers that are not SQL."""
