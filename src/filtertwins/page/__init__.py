"""The answer as people read it."""

NEEDED = ("runs", "redundancy", "runs_means", "redundancy_means")
TABLES = (*NEEDED, "kernels", "twins_means", "pruning_means", "exact_reading_means")
"""The tables that the page is made from; it can do without the last four."""
