"""Collapse (H1): without an activation every number of filters is one model, softmax regression on pixels.

This module finds how good that model can get, from its convex optimum.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from filtertwins.data.datasets import Dataset
from filtertwins.names import Row
from filtertwins.networks.forward import class_errors, cross_entropies

Floats = NDArray[np.float64]

TOLERANCE = 1e-6
"""Largest absolute entry of a gradient that counts as 0, in nats for a change of one weight or bias by 1."""

_TOLERANCE_OF_FLOAT32 = 1e-5  # Gradients in float32 are right to about a millionth.
_SMALLEST_VARIANCE = 1e-4  # Directions of less than this share of the largest variance are not stretched more.
_BIAS_STEPS = 10  # Newton's method needs two or three.


@dataclass(frozen=True)
class SoftmaxRegression:
    """A class's score is ``pixels @ weights + bias``, its probability the softmax of the scores."""

    weights: Floats  # (pixel, class)
    biases: Floats  # (class,), -inf for a class that the training images lack

    def scores(self, pixels: Floats) -> Floats:
        """The score of each class for each image, (image, class); pixels (image, pixel) in [0, 1]."""
        return np.asarray(pixels @ self.weights + self.biases)


def gradient(
    model: SoftmaxRegression, pixels: Floats, labels: NDArray[np.uint8], penalty: float
) -> tuple[Floats, Floats]:
    """The gradient of what is minimised, the mean cross-entropy in nats plus penalty/2 ‖weights‖².

    Args:
        model: the weights and biases.
        pixels: (image, pixel) in [0, 1].
        labels: (image,).
        penalty: factor of half the weights' squared length; biases have no penalty.

    Returns:
        By each weight (pixel, class) and bias (class,).
    """
    errors = class_errors(model.scores(pixels), labels)  # (image, class)
    return pixels.T @ errors / len(labels) + penalty * model.weights, errors.mean(axis=0)


def fit_softmax_regression(
    pixels: Floats, labels: NDArray[np.uint8], classes: int, penalty: float, max_iterations: int
) -> tuple[SoftmaxRegression, int]:
    """Minimise what :func:`gradient` is of by scikit-learn's L-BFGS, and count its iterations.

    The fit works in coordinates in which the same minimum is reached sooner. Centring the pixels changes only the
    biases, which have no penalty. Without a penalty every invertible map of the pixels is allowed, so they are whitened
    too: on MNIST 40 iterations then get further than 400 otherwise. At the end the biases are set to their best values
    for the weights. Most time goes into reading the images, so that float32 is twice as fast: the fit starts in it and
    goes on in float64.

    Args:
        pixels: (image, pixel) in [0, 1].
        labels: (image,), of two classes or more.
        classes: how many classes there are; these images may lack some.
        penalty: factor of half the weights' squared length, 0 or more.
        max_iterations: at most so many iterations of L-BFGS, in both types together. It ends sooner where the gradient
            is small in its coordinates, or where no step helps.
    """
    varying = np.flatnonzero(np.ptp(pixels, axis=0))  # The weights of constant pixels stay 0.
    features = pixels[:, varying]
    centre = features.mean(axis=0)
    features -= centre
    if penalty == 0:
        whitening = _whitening(features)  # (pixel, feature)
        features = features @ whitening
    present = len(np.unique(labels))
    # For two classes scikit-learn fits their difference; its squared length is twice that of our two vectors together.
    strength = penalty / 2 if present == 2 else penalty
    regression = LogisticRegression(C=1 / (len(labels) * strength) if penalty else np.inf, warm_start=True)
    # The gradient by pixels must be small in the end. In other coordinates it may differ, so the limit is lower.
    tolerances = {np.float32: _TOLERANCE_OF_FLOAT32, np.float64: TOLERANCE / (2 if penalty else 10)}
    iterations = 0
    for precision, tolerance in tolerances.items():
        if iterations < max_iterations:
            regression.set_params(tol=tolerance, max_iter=max_iterations - iterations)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # The table has the norm of the gradient.
                regression.fit(features.astype(precision, copy=False), labels)
            iterations += int(regression.n_iter_[0])
            regression.coef_ = regression.coef_.astype(np.float64)
            regression.intercept_ = regression.intercept_.astype(np.float64)
    coefficients, intercepts = regression.coef_, regression.intercept_  # (class, feature), (class,)
    if present == 2:
        coefficients, intercepts = (np.concatenate([-x, x]) / 2 for x in (coefficients, intercepts))
    of_pixels = coefficients.T if penalty else whitening @ coefficients.T
    weights = np.zeros((pixels.shape[1], classes))
    weights[np.ix_(varying, regression.classes_)] = of_pixels
    biases = np.full(classes, -np.inf)
    biases[regression.classes_] = intercepts - centre @ of_pixels
    model = SoftmaxRegression(weights, _best_biases(pixels @ weights, biases, labels))
    return model, iterations


def has_no_minimum(pixels: Floats, labels: NDArray[np.uint8]) -> bool:
    """Whether the loss without a penalty has no minimum for sure, but only falls on as weights grow.

    This is so if some pixel is lit in some images, but in no image of one class: the lower the weight of the pixel for
    that class, the lower the loss. (Albert & Anderson 1984, Biometrika 71(1), call it quasi-complete separation.) There
    are other reasons, so that False proves nothing.

    Args:
        pixels: (image, pixel).
        labels: (image,).
    """
    lit = pixels > pixels.min(axis=0)
    by_class = np.stack([lit[labels == label].any(axis=0) for label in np.unique(labels)])  # (class, pixel)
    return bool((by_class.any(axis=0) & ~by_class.all(axis=0)).any())


def optimum_row(name: str, dataset: Dataset, penalty: float, max_iterations: int) -> Row:
    """A row of ``optimum.csv``: softmax regression fitted to the training images, and what it achieves.

    ``gradient_norm`` is the largest absolute entry of the objective's gradient by weights and biases, for pixels in
    [0, 1]. ``unbounded`` says that there is no minimum for sure: there is no penalty, and :func:`has_no_minimum` is
    True or every training image is classified correctly. The row is then about the model that was reached.
    ``converged`` means a gradient norm of at most ``TOLERANCE``, and not unbounded. With a penalty λ the objective is
    λ-strongly convex in the weights, and the biases are the best for them. So the objective exceeds its minimum by at
    most ``gap_bound`` = ‖gradient‖²/2λ, in nats.

    Args:
        name: the dataset's name.
        dataset: its training images are of at least two classes.
        penalty: λ in λ/2 ‖weights‖², added to the mean cross-entropy.
        max_iterations: at most so many iterations of L-BFGS.
    """
    pixels, labels = _pixels(dataset.train_images), dataset.train_labels
    model, iterations = fit_softmax_regression(pixels, labels, dataset.classes, penalty, max_iterations)
    by_weights, by_biases = gradient(model, pixels, labels, penalty)
    gradient_norm = float(max(np.abs(by_weights).max(), np.abs(by_biases).max()))
    train, test = model.scores(pixels), model.scores(_pixels(dataset.test_images))
    validation = model.scores(_pixels(dataset.validation_images))
    separated = _correct(train, labels) == len(labels)
    unbounded = penalty == 0 and (separated or has_no_minimum(pixels, labels))
    test_correct, test_images = _correct(test, dataset.test_labels), len(dataset.test_labels)
    return {
        "dataset": name,
        "penalty": penalty,
        "iterations": iterations,
        "gradient_norm": gradient_norm,
        "unbounded": unbounded,
        "converged": not unbounded and gradient_norm <= TOLERANCE,
        "gap_bound": float(np.sum(by_weights**2)) / (2 * penalty) if penalty else np.nan,
        "train_loss": float(cross_entropies(train, labels).mean()),
        "validation_accuracy": _correct(validation, dataset.validation_labels) / len(validation),
        "test_loss": float(cross_entropies(test, dataset.test_labels).mean()),
        "test_accuracy": test_correct / test_images,
        "test_correct": test_correct,
        "test_images": test_images,
    }


def _whitening(centred: Floats) -> Floats:
    """The map (pixel, feature) to uncorrelated features of equal variance, or of less where pixels hardly vary."""
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    return np.asarray(axes / np.sqrt(np.maximum(variances, _SMALLEST_VARIANCE * variances[-1])))


def _best_biases(scores: Floats, biases: Floats, labels: NDArray[np.uint8]) -> Floats:
    """The biases that minimise the loss, given scores (image, class) without them, by Newton's method."""
    shares = np.bincount(labels, minlength=len(biases)) / len(labels)  # The mean probabilities should equal these.
    best, smallest = biases, np.inf
    for _ in range(_BIAS_STEPS):
        probabilities = np.exp(log_softmax(scores + biases, axis=1))
        means = probabilities.mean(axis=0)
        size = np.abs(means - shares).max()
        if not size < smallest:  # Only rounding is left, or Newton's method fails.
            break
        best, smallest = biases, size
        curvature = np.diag(means) - probabilities.T @ probabilities / len(labels)  # Singular, as all scores may shift.
        biases = biases - np.linalg.lstsq(curvature, means - shares, rcond=None)[0]
    return best


def _pixels(images: NDArray[np.uint8]) -> Floats:
    return images.reshape(len(images), -1) / 255.0


def _correct(scores: Floats, labels: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(scores.argmax(axis=1) == labels))
