"""How TensorFlow is imported, and how it runs in a training job. Import this module before the others of this room."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def hidden(modules: Sequence[str]) -> Iterator[None]:
    """Within, these modules cannot be imported, as if they were not installed. Those imported before stay in use."""
    new = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(new))  # type: ignore[arg-type]  # None is what the import system documents
    try:
        yield
    finally:
        for name in new:
            del sys.modules[name]


os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # This hides start-up banners. Failures are exceptions.
# Keras imports these modules if it finds them, but training needs none of them: they take a third of the 2.7 s that
# TensorFlow and Keras take to start. Another fifth goes to the garbage collector, which finds nothing during imports.
gc.disable()
with hidden(["matplotlib", "pandas", "sklearn"]):
    import tensorflow as tf
gc.enable()


def one_thread() -> None:
    """Use one thread and deterministic operations. Call this before the first operation of the process.

    The number of threads changes the order of sums and so the last bits of a result. With one thread, results do not
    depend on the number of cores that Snakemake is given.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
