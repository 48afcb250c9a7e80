"""How TensorFlow is imported, and how it runs in a training job. The first of this room's modules to be imported."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def hidden(modules: Sequence[str]) -> Iterator[None]:
    """As if these were not installed; but what has been imported already stays in use."""
    new = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(new))  # type: ignore[arg-type]  # None is what the import system documents
    try:
        yield
    finally:
        for name in new:
            del sys.modules[name]


os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # start-up banners; failures come as exceptions
# Keras draws with these, or wraps models for them, if they are there: a third of its and TensorFlow's 2.7 s. Another
# fifth is the garbage collector's, which looks through what is imported, again and again, and finds nothing.
gc.disable()
with hidden(["matplotlib", "pandas", "sklearn"]):
    import tensorflow as tf
gc.enable()


def one_thread() -> None:
    """One thread a process, and deterministic operations.

    The thread count changes the order of sums, hence the last bits of a result, and Snakemake lowers a rule's
    ``threads`` to ``--cores``: with one thread the number of cores never changes a byte. Must come before the first
    operation of the process.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
