"""Measures of redundancy, what chance gives, clusters and statistics: pure functions of arrays."""
