"""A check's result as people and programs read it."""
