"""Networks as arrays: their weights, the file that a chunk of trained runs leaves behind, and what they compute."""
