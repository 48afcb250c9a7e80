"""The convex optimum, held against other ways to find it, and the equivalence of filter counts on made-up runs."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import approx_fprime, minimize
from scipy.special import log_softmax, softmax

import collect_rows as collect_script
import compare_filter_counts as compare_script
import fit_optimum as fit_script
from filtertwins.data.datasets import Dataset
from filtertwins.experiments import collapse
from filtertwins.experiments.collapse import (
    TOLERANCE,
    SoftmaxRegression,
    fit_softmax_regression,
    has_no_minimum,
    objective,
    optimum_row,
)
from filtertwins.files import read_csv, write_csv, write_npz
from filtertwins.tables.equivalence import compare_filter_counts

PIXELS, IMAGES = 6, 400


def draw(rng, images=IMAGES, classes=3):
    """Images (image, pixel) in [0, 1] and labels that a softmax regression draws, so that classes overlap."""
    pixels = rng.uniform(0, 1, (images, PIXELS))
    scores = pixels @ rng.normal(0, 3, (PIXELS, classes))
    scores -= scores.mean(axis=0)
    return pixels, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1).astype(np.uint8)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def drawn(rng):
    return draw(rng)


def as_dataset(rng, pixels, labels):
    """The same images in all splits, in bytes, as rows of two pixels; the test images in another order."""
    images = np.rint(255 * pixels).astype(np.uint8).reshape(len(pixels), -1, 2)
    order = rng.permutation(len(images))
    return Dataset(images, labels, images[:50], labels[:50], images[order], labels[order])


def by_scipy(pixels, labels, penalty, classes):
    """The least objective, and its weights, by a general minimiser that differentiates numerically."""

    def value(flat):
        weights, biases = flat[:-classes].reshape(-1, classes), flat[-classes:]
        own = log_softmax(pixels @ weights + biases, axis=1)[np.arange(len(labels)), labels]
        return -own.mean() + penalty / 2 * (weights**2).sum()

    found = minimize(value, np.zeros((pixels.shape[1] + 1) * classes), method="BFGS", options={"gtol": 1e-6})
    return found.fun, found.x[:-classes].reshape(-1, classes)


# The fit


@pytest.mark.parametrize("classes", [2, 3])
def test_the_optimum_with_a_penalty_is_the_one_that_a_general_minimiser_finds(rng, classes):
    pixels, labels = draw(rng, classes=classes)
    model, _ = fit_softmax_regression(pixels, labels, 0.01, 500)
    least, weights = by_scipy(pixels, labels, 0.01, classes)
    assert objective(model, pixels, labels, 0.01).value == pytest.approx(least, abs=1e-9)
    np.testing.assert_allclose(model.weights[:, :classes], weights, atol=2e-3)
    assert not model.weights[:, classes:].any()


def test_the_optimum_without_a_penalty_is_the_maximum_likelihood(drawn):
    pixels, labels = drawn
    model, _ = fit_softmax_regression(pixels, labels, 0.0, 500)
    likeliest = sm.MNLogit(labels, sm.add_constant(pixels)).fit(method="newton", disp=False, tol=1e-12)
    parameters = np.vstack([model.biases, model.weights])  # against those of class 0, as statsmodels has them
    np.testing.assert_allclose((parameters[:, 1:3] - parameters[:, :1]), likeliest.params, atol=2e-4)
    assert objective(model, pixels, labels, 0.0).value == pytest.approx(-likeliest.llf / len(labels), abs=1e-11)


@pytest.mark.parametrize("penalty", [0.0, 1e-3])
def test_at_the_optimum_the_gradient_is_zero(drawn, penalty):
    model, iterations = fit_softmax_regression(*drawn, penalty, 500)
    assert 3 < iterations < 100
    assert objective(model, *drawn, penalty).gradient_norm < TOLERANCE


@pytest.fixture
def fits(monkeypatch):
    """What each fit of scikit-learn's works in, and the iterations that it may and does take."""
    noted = []

    class Noting(collapse.LogisticRegression):
        def fit(self, features, labels):
            super().fit(features, labels)
            noted.append((features.dtype, self.max_iter, self.n_iter_[0]))

    monkeypatch.setattr(collapse, "LogisticRegression", Noting)
    return noted


@pytest.mark.parametrize("penalty", [0.0, 1e-3])
def test_float64_goes_on_from_float32_to_the_tolerance(drawn, fits, penalty):
    model, iterations = fit_softmax_regression(*drawn, penalty, 500)
    assert objective(model, *drawn, penalty).gradient_norm < TOLERANCE
    (first, first_most, first_taken), (second, second_most, second_taken) = fits
    assert (first, second) == (np.float32, np.float64)
    assert (first_most, second_most) == (500, 500 - first_taken)
    assert iterations == first_taken + second_taken
    assert second_taken < 0.7 * first_taken  # most of the way is behind it


def test_float32_may_take_all_iterations(drawn, fits):
    assert fit_softmax_regression(*drawn, 1e-3, 4)[1] == 4
    assert fits == [(np.float32, 4, 4)]


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_the_gradient_is_that_of_finite_differences(rng, drawn, penalty):
    pixels, labels = drawn
    start = rng.normal(size=(PIXELS + 1, 10))

    def at(flat):
        parameters = flat.reshape(PIXELS + 1, 10)
        return objective(SoftmaxRegression(parameters[:-1], parameters[-1]), pixels, labels, penalty)

    reached = at(start.ravel())
    analytic = np.vstack([reached.weights_gradient, reached.biases_gradient])
    numeric = approx_fprime(start.ravel(), lambda flat: at(flat).value, 1e-7).reshape(analytic.shape)
    np.testing.assert_allclose(analytic, numeric, atol=1e-6)
    assert reached.gradient_norm == np.abs(analytic).max()


def test_without_a_penalty_any_invertible_map_of_the_pixels_gives_the_same_probabilities(rng, drawn):
    pixels, labels = drawn
    mapped = pixels @ (rng.normal(size=(PIXELS, PIXELS)) * np.geomspace(1, 0.02, PIXELS)) + rng.normal(size=PIXELS)
    fits = [fit_softmax_regression(x, labels, 0.0, 500)[0] for x in (pixels, mapped)]
    plain, other = (
        softmax(x @ fit.weights + fit.biases, axis=1) for x, fit in zip((pixels, mapped), fits, strict=True)
    )
    np.testing.assert_allclose(plain, other, atol=2e-5)


def test_whitened_pixels_neither_correlate_nor_vary_differently(rng):
    centred = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4))
    centred -= centred.mean(axis=0)
    features = centred @ collapse._whitening(centred)
    np.testing.assert_allclose(features.T @ features / 500, np.eye(4), atol=1e-12)


def test_whitening_does_not_blow_up_a_pixel_that_hardly_varies(rng):
    centred = rng.normal(size=(500, 2)) * [1, 1e-9]
    features = centred @ collapse._whitening(centred - centred.mean(axis=0))
    assert features.std(axis=0).min() < 1e-6


def test_an_early_end_leaves_no_more_to_gain_than_the_bound_says(drawn):
    """Of the weights; the biases are at their best whenever it ends, which the bound relies on."""
    pixels, labels = drawn
    least = by_scipy(pixels, labels, 0.01, 3)[0]
    bounds = []
    for iterations in (1, 3, 6):
        model, reached_in = fit_softmax_regression(pixels, labels, 0.01, iterations)
        reached = objective(model, pixels, labels, 0.01)
        assert reached_in == iterations
        assert np.abs(reached.biases_gradient).max() < 1e-12
        bounds.append((reached.weights_gradient**2).sum() / 0.02)
        assert 1e-6 < reached.value - least < bounds[-1]
    assert bounds == sorted(bounds, reverse=True)


@pytest.mark.parametrize("start", [0.0, 2.0, 30.0])
def test_biases_get_no_worse_where_newtons_method_fails(drawn, start):
    pixels, labels = drawn
    scores, biases = pixels @ np.diag([30.0] * PIXELS)[:, :3], np.array([start, 0, 0])
    padded = np.pad(scores, ((0, 0), (0, 7)))
    shares = np.bincount(labels) / len(labels)

    def miss(biases):
        return np.abs(softmax(scores + biases[:3], axis=1).mean(axis=0) - shares).max()

    best = collapse._best_biases(padded, np.append(biases, [-np.inf] * 7), labels)
    assert miss(best) <= miss(biases)
    assert (miss(best) < 1e-12) == (start < 30)


def test_a_constant_pixel_has_no_weight(drawn):
    pixels, labels = drawn
    with_constant = np.insert(pixels, 2, 0.75, axis=1)
    for penalty in (0.0, 0.01):
        model, _ = fit_softmax_regression(with_constant, labels, penalty, 500)
        alone, _ = fit_softmax_regression(pixels, labels, penalty, 500)
        assert not model.weights[2].any()
        np.testing.assert_allclose(np.delete(model.weights, 2, axis=0), alone.weights, atol=1e-9)


def test_a_class_that_is_never_seen_has_no_probability(drawn):
    pixels, labels = drawn
    moved = np.array([1, 5, 7], np.uint8)[labels]
    model, _ = fit_softmax_regression(pixels, moved, 0.01, 500)
    chances = np.exp(model.log_probabilities(pixels))
    np.testing.assert_array_equal(np.flatnonzero(chances.any(axis=0)), [1, 5, 7])
    np.testing.assert_allclose(chances.mean(axis=0)[[1, 5, 7]], np.bincount(labels) / len(labels), atol=1e-12)


def test_a_negative_penalty_is_refused(drawn):
    with pytest.raises(ValueError, match=r"penalty: -0\.1; allowed: 0 or more"):
        fit_softmax_regression(*drawn, -0.1, 10)


# Whether there is a minimum


def test_a_pixel_that_is_dark_in_all_of_one_class_leaves_no_minimum(drawn):
    pixels, labels = drawn
    assert not has_no_minimum(pixels, labels)
    for grey in (0.0, 0.25):  # what counts as dark is the pixel's own least value
        spoilt = pixels.copy()
        spoilt[:, 4] = np.where(labels == 1, grey, np.maximum(pixels[:, 4], grey))
        assert has_no_minimum(spoilt, labels)


def test_a_pixel_that_is_always_dark_does_no_harm(drawn):
    pixels, labels = drawn
    pixels[:, 4] = 0
    assert not has_no_minimum(pixels, labels)


# optimum.csv


def test_a_row_says_how_far_the_fit_got_and_how_good_it_is(rng, drawn):
    dataset = as_dataset(rng, *drawn)
    row = optimum_row("made up", dataset, 1e-3, 500)
    pixels = dataset.train_images.reshape(IMAGES, -1) / 255
    model, iterations = fit_softmax_regression(pixels, dataset.train_labels, 1e-3, 500)
    reached = objective(model, pixels, dataset.train_labels, 1e-3)
    right = (pixels @ model.weights + model.biases).argmax(axis=1) == dataset.train_labels
    loss = reached.value - 1e-3 / 2 * (model.weights**2).sum()
    assert row == {
        "dataset": "made up",
        "penalty": 1e-3,
        "iterations": iterations,
        "gradient_norm": reached.gradient_norm,
        "unbounded": False,
        "converged": True,
        "gap_bound": pytest.approx((reached.weights_gradient**2).sum() / 2e-3),
        "train_loss": pytest.approx(loss, abs=1e-12),
        "validation_accuracy": right[:50].mean(),
        "test_loss": pytest.approx(loss, abs=1e-12),  # of the same images
        "test_accuracy": right.mean(),
        "test_correct": right.sum(),
        "test_images": IMAGES,
    }
    assert 0.5 < right.mean() < 0.95
    assert row["gap_bound"] < 1e-9


def test_without_a_penalty_nothing_bounds_the_gap(rng, drawn):
    row = optimum_row("made up", as_dataset(rng, *drawn), 0.0, 500)
    assert np.isnan(row["gap_bound"])
    assert (row["unbounded"], row["converged"]) == (False, True)


def test_a_fit_that_was_cut_short_has_not_converged(rng, drawn):
    row = optimum_row("made up", as_dataset(rng, *drawn), 1e-3, 3)
    assert row["iterations"] == 3
    assert row["gradient_norm"] > TOLERANCE
    assert not row["converged"]


@pytest.mark.parametrize("way", ["no image is wrong", "a pixel never lit in one class"])
def test_a_fit_without_a_minimum_never_counts_as_converged(rng, drawn, way):
    pixels, labels = drawn
    if way == "no image is wrong":
        labels = (pixels[:, 0] > 0.5).astype(np.uint8)
        pixels[:, 0] = np.where(labels, 0.9, pixels[:, 0])
    else:
        pixels[:, 4] = np.where(labels == 1, 0, pixels[:, 4])
    dataset = as_dataset(rng, pixels, labels)
    free, held = (optimum_row("made up", dataset, penalty, 500) for penalty in (0.0, 1e-3))
    assert free["gradient_norm"] < TOLERANCE  # small, but for another reason
    assert (free["unbounded"], free["converged"]) == (True, False)
    assert (held["unbounded"], held["converged"]) == (False, True)
    assert (free["train_loss"] < 1e-4) == (way == "no image is wrong")


def run_script(monkeypatch, main, *arguments):
    monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
    main()


def test_the_script_writes_a_penaltys_row_and_twice_the_same_bytes(tmp_path, monkeypatch, capsys, rng, drawn):
    dataset = tmp_path / "dataset.npz"
    write_npz(dataset, as_dataset(rng, *drawn).to_arrays())
    for penalty in ("0", "1e-3"):
        for place in (f"one {penalty}", f"two {penalty}"):
            arguments = ["--dataset", dataset, "--name", "made up", "--penalty", penalty, "--max-iterations", "300"]
            run_script(monkeypatch, fit_script.main, *arguments, "--output", tmp_path / place)
        assert (tmp_path / f"one {penalty}").read_bytes() == (tmp_path / f"two {penalty}").read_bytes()
    parts = [tmp_path / "one 0", tmp_path / "one 1e-3"]
    run_script(monkeypatch, collect_script.main, "--parts", *parts, "--output", tmp_path / "both")
    table = read_csv(tmp_path / "both")
    assert table["penalty"].tolist() == [0, 1e-3]
    assert table["converged"].tolist() == [True, True]
    assert table["gap_bound"].isna().tolist() == [True, False]
    heads, rows = zip(*(part.read_text(encoding="utf-8").splitlines() for part in parts), strict=True)
    assert (tmp_path / "both").read_text(encoding="utf-8").splitlines() == [heads[0], *rows]
    assert "penalty 0.001: " in capsys.readouterr().out


# equivalence.csv


def made_up_runs(accuracies, architecture="question", activation="linear"):
    """Rows of runs.csv from accuracies by number of filters, one a seed."""
    return pd.DataFrame(
        {
            "dataset": "mnist",
            "architecture": architecture,
            "activation": activation,
            "filters": filters,
            "seed": seed,
            "test_accuracy": accuracy,
        }
        for filters, own in accuracies.items()
        for seed, accuracy in enumerate(own)
    )


SEEDS = np.array([0.90, 0.93, 0.91, 0.96, 0.92, 0.88])  # accuracies that differ far more by seed than by filters
JITTER = np.array([1, -1, 0.5, -0.5, 0.2, -0.2]) * 1e-3


def test_planted_equal_and_different_accuracies_are_told_apart():
    table = compare_filter_counts(made_up_runs({16: SEEDS + 0.05, 2: SEEDS, 4: SEEDS + JITTER}), 0.003)
    assert table[["filters", "other_filters"]].to_numpy().tolist() == [[2, 4], [2, 16], [4, 16]]
    assert table["equivalent"].tolist() == [True, False, False]
    assert str(table["equivalent"].dtype) == "boolean"
    np.testing.assert_allclose(table["difference"], [0, -0.05, -0.05], atol=1e-12)
    assert (table["n"] == 6).all()
    assert (table["margin"] == 0.003).all()
    assert table.loc[0, ["dataset", "architecture", "activation"]].tolist() == ["mnist", "question", "linear"]
    # The interval of the first pair by hand: Student's t of confidence 90 %.
    half = 2.015048 * JITTER.std(ddof=1) / np.sqrt(6)
    np.testing.assert_allclose(table.loc[0, ["low", "high"]].astype(float), [-half, half], rtol=1e-5)


def test_p_values_are_corrected_within_each_architecture_alone():
    counts = {2: SEEDS, 4: SEEDS + JITTER, 8: SEEDS - JITTER}
    several = made_up_runs(counts)
    two = made_up_runs({2: SEEDS, 4: SEEDS + JITTER}, "relu_3x1", "relu")
    table = compare_filter_counts(pd.concat([several, two]), 0.003)
    p_values, adjusted = table["p_value"].to_numpy(), table["p_holm"].to_numpy()
    assert table["architecture"].tolist() == ["question"] * 3 + ["relu_3x1"]
    order = np.argsort(p_values[:3])
    by_hand = np.maximum.accumulate(p_values[:3][order] * [3, 2, 1])
    np.testing.assert_allclose(adjusted[:3][order], by_hand)
    assert adjusted[3] == p_values[3]


def test_equivalence_is_judged_after_correction():
    counts = {1 + i: SEEDS + 1.9 * i * JITTER for i in range(4)}
    table = compare_filter_counts(made_up_runs(counts), 0.003)
    before = table["p_value"] < 0.05
    after = table["p_holm"] < 0.05
    assert (before & ~after).any()
    assert table["equivalent"].tolist() == after.tolist()


def test_exactly_equal_accuracies_are_equivalent():
    table = compare_filter_counts(made_up_runs({1: SEEDS, 2: SEEDS}), 0.003)
    assert table.loc[0, ["difference", "low", "high", "p_value", "p_holm"]].tolist() == [0, 0, 0, 0, 0]
    assert table["equivalent"].tolist() == [True]


def test_too_few_seeds_give_no_answer():
    table = compare_filter_counts(made_up_runs({1: SEEDS[:2], 2: SEEDS[:2]}), 0.003)
    assert table["equivalent"].isna().all()
    assert table[["low", "high", "p_value", "p_holm"]].isna().all(axis=None)
    assert table["n"].tolist() == [2]


def test_only_seeds_of_both_counts_are_compared():
    runs = made_up_runs({1: SEEDS, 2: SEEDS})
    runs = runs[(runs["filters"] == 1) | (runs["seed"] >= 2)]
    table = compare_filter_counts(runs, 0.003)
    assert table["n"].tolist() == [4]
    assert table["difference"].tolist() == [0]


def test_an_architecture_of_one_count_has_no_row_and_the_table_still_has_columns(tmp_path):
    table = compare_filter_counts(made_up_runs({4: SEEDS}), 0.003)
    assert table.empty
    write_csv(table, tmp_path / "equivalence.csv")
    assert list(read_csv(tmp_path / "equivalence.csv")) == list(table)


def test_the_script_compares_the_counts_of_a_table(tmp_path, monkeypatch):
    runs = made_up_runs({1: SEEDS[:2], 2: SEEDS[:2]}, "few")
    runs = pd.concat([made_up_runs({2: SEEDS, 4: SEEDS + JITTER}), runs])
    write_csv(runs, tmp_path / "runs.csv")
    run_script(
        monkeypatch,
        compare_script.main,
        *("--runs", tmp_path / "runs.csv", "--margin", "0.002", "--output", tmp_path / "equivalence.csv"),
    )
    table = read_csv(tmp_path / "equivalence.csv")
    assert table["equivalent"].astype("boolean").tolist() == [True, pd.NA]
    assert table["margin"].tolist() == [0.002, 0.002]
