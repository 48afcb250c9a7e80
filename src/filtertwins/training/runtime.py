"""How TensorFlow is imported, and how it runs in a training job. Import this module before the others of this room."""

from __future__ import annotations

import gc
import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user works with otherwise
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # This hides start-up banners. Failures are exceptions.
gc.disable()  # A fifth of the time of importing TensorFlow would go to the garbage collector, which finds nothing.
import tensorflow as tf  # noqa: E402

gc.enable()
tf.get_logger().setLevel("ERROR")  # It would warn that a process compiles many functions, which is what it is for.


def one_thread() -> None:
    """Use one thread and deterministic operations. Call this before the first operation of the process.

    The number of threads changes the order of sums and so the last bits of a result. With one thread, results do not
    depend on the number of cores that Snakemake is given.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
