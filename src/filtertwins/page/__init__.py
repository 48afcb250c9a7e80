"""The answer as people read it."""

TABLES = ("runs", "redundancy", "runs_means", "redundancy_means", "kernels", "twins_means", "pruning_means")
"""The tables that the page is made from; it can do without the last three."""
