"""How TensorFlow is imported, and how it runs in a training job. Import this module before the others of this room."""

from __future__ import annotations

import gc
import os

# A user's own settings for TensorFlow and Keras change results or break jobs. They are made in variables and in a file.
for name in [
    name for name in os.environ if name.startswith(("KERAS_", "TF_", "XLA_")) and name != "TF_CPP_MIN_LOG_LEVEL"
]:
    del os.environ[name]
os.environ |= {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": os.devnull,  # So Keras reads no keras.json, and writes none.
    "CUDA_VISIBLE_DEVICES": "-1",  # Results are those of a processor, on machines with graphics cards too.
}
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
