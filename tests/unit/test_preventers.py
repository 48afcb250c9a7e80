"""What keeps filters apart: rows with known answers."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from small_networks import stack

from filtertwins.settings import Measures
from filtertwins.tables.nulls import Nulls
from filtertwins.tables.preventers import preventer_of, preventer_rows

PLAIN = {"dropout": 0.0, "weight_decay": 0.0}
PENALTY = {"kernel_regularizer": {"OrthogonalRegularizer": {"factor": 10.0, "mode": "columns"}}}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, ("none", 0.0)),
        (PENALTY, ("orthogonality", 10.0)),
        ({"kernel_regularizer": {"L2": {"l2": 0.1}}}, ("none", 0.0)),
        ({"dropout": 0.5}, ("dropout", 0.5)),
        ({"weight_decay": 1.0}, ("weight_decay", 1.0)),
        ({"scale": 0.01}, ("small_weights", 0.01)),
    ],
)
def test_what_a_model_has_and_how_strong_it_is(model, expected):
    assert preventer_of(PLAIN | model) == expected


def test_a_row_holds_how_well_a_network_does_and_how_alike_its_filters_are(make_chunk):
    opposite, apart = [[1, 0, 0], [-1, 0, 0], [2, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    chunk = make_chunk(stack(opposite, apart), activation="relu", model=PENALTY, architecture="mine")
    nulls = Nulls(Measures(null_draws=100, cluster_null_draws=20), np.full((1, 9, 9, 1), 255, np.uint8))
    first, second = preventer_rows(chunk, nulls)
    assert (first["architecture"], first["preventer"], first["strength"]) == ("mine", "orthogonality", 10.0)
    assert (first["seed"], first["test_accuracy"], first["train_loss"]) == (0, 15 / 20, 0.25)
    assert (first["near_duplicate_pairs"], first["redundant_share"]) == (1, pytest.approx(1 / 3))
    assert first["mean_nearest_cosine"] == pytest.approx((1 + 1 - 1) / 3)  # ReLU tells opposite filters apart,
    assert first["mean_absolute_cosine"] == pytest.approx(1)  # and the penalty does not.
    assert second["mean_absolute_cosine"] == pytest.approx(1 / sqrt(2) / 3)
