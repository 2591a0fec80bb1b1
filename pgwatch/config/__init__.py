"""What users write: files and environment, checked, every error with its place."""
