"""How TensorFlow runs in a training job."""

import tensorflow as tf


def one_thread() -> None:
    """One thread a process, and deterministic operations.

    The thread count changes the order of sums, hence the last bits of a result, and Snakemake lowers a rule's
    ``threads`` to ``--cores``: with one thread the number of cores never changes a byte. Must come before the first
    operation of the process.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
