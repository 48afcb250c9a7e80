"""Pruning: which filters matter, smaller networks without the others, and what they cost. No TensorFlow here."""
