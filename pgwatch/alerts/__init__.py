"""Alerts: a rule's findings over time."""
