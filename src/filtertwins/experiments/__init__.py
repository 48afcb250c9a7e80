"""The experiments: one module each, from chunks and tables to the rows of its own table."""
