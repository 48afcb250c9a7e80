"""The convex optimum, held against other ways to find it, and the equivalence of filter counts on made-up runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import log_softmax, softmax

from filtertwins.data.datasets import Dataset
from filtertwins.experiments.collapse import (
    TOLERANCE,
    SoftmaxRegression,
    fit_softmax_regression,
    gradient,
    has_no_minimum,
    optimum_row,
)
from filtertwins.networks.forward import cross_entropies

PIXELS, IMAGES = 6, 400


def draw(rng, images=IMAGES, classes=3):
    """Images (image, pixel) in [0, 1] and labels that a softmax regression draws, so that classes overlap."""
    pixels = rng.uniform(0, 1, (images, PIXELS))
    scores = pixels @ rng.normal(0, 3, (PIXELS, classes))
    scores -= scores.mean(axis=0)
    return pixels, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1).astype(np.uint8)


@pytest.fixture
def drawn(rng):
    return draw(rng)


def as_dataset(rng, pixels, labels):
    """The same images in all splits, in bytes, as rows of two pixels; the test images in another order."""
    images = np.rint(255 * pixels).astype(np.uint8).reshape(len(pixels), -1, 2, 1)
    order = rng.permutation(len(images))
    return Dataset(images, labels, images[:50], labels[:50], images[order], labels[order])


def objective(model, pixels, labels, penalty):
    return cross_entropies(model.scores(pixels), labels).mean() + penalty / 2 * (model.weights**2).sum()


def by_scipy(pixels, labels, penalty, classes):
    """The least objective, and its weights, by a general minimiser that differentiates numerically."""

    def value(flat):
        weights, biases = flat[:-classes].reshape(-1, classes), flat[-classes:]
        own = log_softmax(pixels @ weights + biases, axis=1)[np.arange(len(labels)), labels]
        return -own.mean() + penalty / 2 * (weights**2).sum()

    found = minimize(value, np.zeros((pixels.shape[1] + 1) * classes), method="BFGS", options={"gtol": 1e-6})
    return found.fun, found.x[:-classes].reshape(-1, classes)


@pytest.mark.parametrize(("classes", "penalty"), [(2, 0.01), (3, 0.01), (3, 0.0)])
def test_the_optimum_is_the_one_that_a_general_minimiser_finds(rng, classes, penalty):
    pixels, labels = draw(rng, classes=classes)
    model, _ = fit_softmax_regression(pixels, labels, classes, penalty, 500)
    least, weights = by_scipy(pixels, labels, penalty, classes)
    assert objective(model, pixels, labels, penalty) == pytest.approx(least, abs=1e-9)
    np.testing.assert_allclose(model.weights[:, :classes], weights, atol=2e-3)
    assert not model.weights[:, classes:].any()


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_the_gradient_is_that_of_finite_differences(rng, drawn, penalty):
    pixels, labels = drawn
    start = rng.normal(size=(PIXELS + 1, 10))

    def model_of(flat):
        parameters = flat.reshape(PIXELS + 1, 10)
        return SoftmaxRegression(parameters[:-1], parameters[-1])

    analytic = np.vstack(gradient(model_of(start), pixels, labels, penalty))
    numeric = approx_fprime(start.ravel(), lambda flat: objective(model_of(flat), pixels, labels, penalty), 1e-7)
    np.testing.assert_allclose(analytic, numeric.reshape(analytic.shape), atol=1e-6)


@pytest.mark.parametrize("iterations", [1, 3, 6])
def test_an_early_end_leaves_no_more_to_gain_than_the_bound_says(drawn, iterations):
    """This is about the weights; the biases are at their best whenever it ends, which the bound relies on."""
    pixels, labels = drawn
    least = by_scipy(pixels, labels, 0.01, 3)[0]
    model, reached_in = fit_softmax_regression(pixels, labels, 3, 0.01, iterations)
    by_weights, by_biases = gradient(model, pixels, labels, 0.01)
    assert reached_in == iterations
    assert np.abs(by_biases).max() < 1e-12
    assert 1e-6 < objective(model, pixels, labels, 0.01) - least < (by_weights**2).sum() / 0.02


@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_a_constant_pixel_has_no_weight_and_does_no_harm(drawn, penalty):
    pixels, labels = drawn
    with_constant = np.insert(pixels, 2, 0.75, axis=1)
    assert not has_no_minimum(with_constant, labels)
    model, _ = fit_softmax_regression(with_constant, labels, 3, penalty, 500)
    alone, _ = fit_softmax_regression(pixels, labels, 3, penalty, 500)
    assert not model.weights[2].any()
    np.testing.assert_allclose(np.delete(model.weights, 2, axis=0), alone.weights, atol=1e-9)


def test_a_class_that_is_never_seen_has_no_probability(drawn):
    pixels, labels = drawn
    moved = np.array([1, 5, 7], np.uint8)[labels]
    model, _ = fit_softmax_regression(pixels, moved, 10, 0.01, 500)
    chances = softmax(model.scores(pixels), axis=1)
    np.testing.assert_array_equal(np.flatnonzero(chances.any(axis=0)), [1, 5, 7])
    np.testing.assert_allclose(chances.mean(axis=0)[[1, 5, 7]], np.bincount(labels) / len(labels), atol=1e-12)


def test_a_row_says_how_far_the_fit_got_and_how_good_it_is(rng, drawn):
    dataset = as_dataset(rng, *drawn)
    row, again = (optimum_row("made up", dataset, 1e-3, 500) for _ in range(2))
    assert row == again
    pixels = dataset.train_images.reshape(IMAGES, -1) / 255
    model, iterations = fit_softmax_regression(pixels, dataset.train_labels, dataset.classes, 1e-3, 500)
    by_weights, by_biases = gradient(model, pixels, dataset.train_labels, 1e-3)
    right = (pixels @ model.weights + model.biases).argmax(axis=1) == dataset.train_labels
    loss = objective(model, pixels, dataset.train_labels, 0)
    assert row == {
        "dataset": "made up",
        "penalty": 1e-3,
        "iterations": iterations,
        "gradient_norm": max(np.abs(by_weights).max(), np.abs(by_biases).max()),
        "unbounded": False,
        "converged": True,
        "gap_bound": pytest.approx((by_weights**2).sum() / 2e-3),
        "train_loss": pytest.approx(loss, abs=1e-12),
        "validation_accuracy": right[:50].mean(),
        "test_loss": pytest.approx(loss, abs=1e-12),  # of the same images
        "test_accuracy": right.mean(),
        "test_correct": right.sum(),
        "test_images": IMAGES,
    }
    assert row["gap_bound"] < 1e-9
    assert optimum_row("made up", dataset, 1e-3, iterations - 1)["iterations"] == iterations - 1
    short = optimum_row("made up", dataset, 1e-3, 3)
    assert short["gradient_norm"] > TOLERANCE
    assert (short["iterations"], short["converged"]) == (3, False)
    free = optimum_row("made up", dataset, 0.0, 500)  # nothing bounds the gap without a penalty
    assert np.isnan(free["gap_bound"])
    assert (free["unbounded"], free["converged"]) == (False, True)


@pytest.mark.parametrize("least_in_one_class", [None, 0.0, 0.25])  # as dark as the pixel ever is, or no image is wrong
def test_a_fit_without_a_minimum_never_counts_as_converged(rng, drawn, least_in_one_class):
    pixels, labels = drawn
    if least_in_one_class is None:
        labels = (pixels[:, 0] > 0.5).astype(np.uint8)
        pixels[:, 0] = np.where(labels, 0.9, pixels[:, 0])
    else:
        pixels[:, 4] = np.where(labels == 1, least_in_one_class, np.maximum(pixels[:, 4], least_in_one_class))
    dataset = as_dataset(rng, pixels, labels)
    free, held = (optimum_row("made up", dataset, penalty, 500) for penalty in (0.0, 1e-3))
    assert free["gradient_norm"] < TOLERANCE  # small, but for another reason
    assert (free["unbounded"], free["converged"]) == (True, False)
    assert (held["unbounded"], held["converged"]) == (False, True)
    assert (free["train_loss"] < 1e-4) == (least_in_one_class is None)
