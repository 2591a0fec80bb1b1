"""Samples on the wire, for Prometheus."""
