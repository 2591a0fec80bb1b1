"""Prometheus rule files: what they may say, and their evaluation."""
