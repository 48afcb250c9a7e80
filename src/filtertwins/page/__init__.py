"""The answer as people read it."""
