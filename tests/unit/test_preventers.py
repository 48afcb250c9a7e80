"""What keeps filters apart: rows with known answers, and the figure."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from figure_tables import study_tables
from small_networks import stack

from filtertwins.figures.preventers import draw
from filtertwins.figures.style import Look
from filtertwins.settings import Measures
from filtertwins.tables.means import means_of
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


def test_the_figures_line_follows_the_penalty_from_nothing_to_its_strongest():
    means = study_tables(3)["preventers_means"]
    figure = draw(means, look=Look())
    own = means[(means["kernel_width"] == 5) & (means["measure"] == "mean_nearest_cosine")]
    path = own[own["preventer"].isin(["none", "orthogonality"])].sort_values("strength")["mean"]
    lines = [line.get_xdata() for line in figure.axes[1].lines if line.get_linestyle() == "-"]
    assert any(len(line) == len(path) and np.allclose(line, path) for line in lines)
    words = {"orthogonality": "penalty on cosines, by its factor", "dropout": "dropout", "weight_decay": "weight decay"}
    words |= {"small_weights": "small initial weights"}
    drawn = {words[name] for name in set(means["preventer"]) - {"none"}}
    plain = {Look().label(name) for name in means.loc[means["preventer"] == "none", "architecture"]}
    shown = {text.get_text() for text in figure.legends[0].get_texts()}
    assert plain
    assert shown == drawn | plain | {"re-drawn kernels"}


def test_means_are_by_kernel_and_by_what_there_is():
    table = study_tables(3)["preventers"]
    found = means_of("preventers", table)
    row = found[(found["preventer"] == "dropout") & (found["measure"] == "test_accuracy")].iloc[0]
    same = {name: row[name] for name in ("architecture", "preventer", "strength")}
    own = table[(table[list(same)] == pd.Series(same)).all(axis=1)]
    assert row["mean"] == pytest.approx(own["test_accuracy"].mean())
