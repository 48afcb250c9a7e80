"""Training: the networks of one condition, as one stack, in one compiled loop.

This is the only part of the library that imports TensorFlow.

``streams`` defines what a seed fixes, ``networks`` what a network computes, and ``loop`` how any stack is trained.
``one_layer`` trains networks of one convolution with it, and ``layered`` those of several layers. ``chunks`` trains
networks from random initial weights, ``fine_tuning`` continues with pruned networks, and ``latency`` measures how long
a network takes to answer.
"""

from filtertwins.training.runtime import one_thread  # This import comes first because it imports TensorFlow.

# isort: split
from filtertwins.training.chunks import architecture_of, train_chunks
from filtertwins.training.fine_tuning import fine_tune
from filtertwins.training.latency import measure_latency
from filtertwins.training.networks import plain_model
from filtertwins.training.scoring import DivergedError
from filtertwins.training.streams import snapshot_steps, total_steps

__all__ = [
    "DivergedError",
    "architecture_of",
    "fine_tune",
    "measure_latency",
    "one_thread",
    "plain_model",
    "snapshot_steps",
    "total_steps",
    "train_chunks",
]
