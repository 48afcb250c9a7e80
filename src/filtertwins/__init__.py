"""Does anything guarantee that convolutional filters don't end up the same?

The library under the pipeline: pure functions with explicit arguments, importable without Snakemake.
Only :mod:`filtertwins.training` imports TensorFlow.
"""

__version__ = "0.1.0"
