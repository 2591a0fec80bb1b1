"""SQL files with a YAML header, and what becomes of their rows."""
