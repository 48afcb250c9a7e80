"""Training: S networks of one condition as one stack, in one compiled loop.

The only part of the library that imports TensorFlow.

``streams`` says what a seed fixes, ``networks`` what a network computes, ``loop`` how a stack is trained;
``chunks`` train from random initial weights, ``fine_tuning`` trains on what was pruned,
``latency`` times the answers.
"""

from filtertwins.training.runtime import one_thread  # first: it imports TensorFlow in a way of its own

# isort: split
from filtertwins.training.chunks import train_chunk
from filtertwins.training.fine_tuning import fine_tune
from filtertwins.training.latency import measure_latency
from filtertwins.training.loop import DivergedError
from filtertwins.training.networks import plain_model
from filtertwins.training.streams import snapshot_steps, total_steps

__all__ = [
    "DivergedError",
    "fine_tune",
    "measure_latency",
    "one_thread",
    "plain_model",
    "snapshot_steps",
    "total_steps",
    "train_chunk",
]
