"""The figures: what they show, that they are printed at their size, and that drawing again gives the same bytes."""

from __future__ import annotations

import numpy as np
import pandas as pd

ARCHITECTURES = {
    "question": ((3, 1), "linear", (0.895, 0.924)),
    "relu_3x1": ((3, 1), "relu", (0.95, 0.977)),
    "relu_5x5": ((5, 5), "relu", (0.958, 0.986)),
}


def study(names=tuple(ARCHITECTURES), counts=(1, 2, 4, 8, 16), seeds=3, dataset="mnist"):
    """All tables of a small study with realistic numbers, measured on synthetic kernels."""
    tables = {name: [] for name in ("runs", "redundancy", "clusters", "kernels")}
    for index, name in enumerate(names):
        (height, width), activation, (worst, best) = ARCHITECTURES.get(name, ARCHITECTURES["question"])
        for filters in counts:
            null = [_nearest(_initial(np.random.default_rng(i), filters, height * width), activation) for i in range(40)]
            null_means = [n[0].mean() if filters > 1 else np.nan for n in null]
            for seed in range(seeds):
                rng = np.random.default_rng([index, filters, seed])
                key = {"dataset": dataset, "architecture": name, "filters": filters, "seed": seed}
                accuracy = best - (best - worst) * np.exp(-0.45 * (filters - 1)) + rng.normal(0, 8e-4)
                tables["runs"].append(
                    key
                    | {
                        "kernel_height": height,
                        "kernel_width": width,
                        "activation": activation,
                        "steps": 2000,
                        "test_accuracy": round(accuracy * 10_000) / 10_000,
                        "test_images": 10_000,
                    }
                )
                initial = _initial(rng, filters, height * width)
                pull = 0.35 if activation == "relu" else 0.0
                common = rng.normal(size=(2, height * width))[rng.integers(2, size=filters)]
                trained = initial + 0.2 * rng.normal(size=initial.shape) * initial.std() + pull * common * initial.std()
                for stage, kernels in (("initial", initial), ("trained", trained)):
                    nearest, neighbour, cluster = _nearest(kernels, activation)
                    mean = nearest.mean() if filters > 1 else np.nan
                    tables["redundancy"].append(
                        key
                        | {
                            "stage": stage,
                            "dimension": height * width + (activation == "relu"),
                            "equivalence": "nonzero_scale" if activation == "linear" else "positive_scale",
                            "mean_nearest_cosine": mean,
                            "null_mean_nearest_cosine": np.mean(null_means),
                            "null_sd": np.std(null_means),
                            "isotropic_mean_nearest_cosine": np.mean(null_means) - 0.004,
                            "excess": mean - np.mean(null_means),
                        }
                    )
                    for i in range(filters):
                        tables["clusters"].append(
                            key
                            | {
                                "stage": stage,
                                "filter": i,
                                "cluster": cluster[i],
                                "nearest_filter": neighbour[i] if filters > 1 else np.nan,
                                "nearest_cosine": nearest[i] if filters > 1 else np.nan,
                            }
                        )
                        if seed == 0 and filters in (4, 16, 64):
                            for j, weight in enumerate(kernels[i]):
                                place = {"filter": i, "row": j // width, "column": j % width, "weight": weight}
                                tables["kernels"].append(key | {"stage": stage} | place)
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def _initial(rng, filters, dimension):
    limit = np.sqrt(6 / (dimension * (1 + filters)))
    return rng.uniform(-limit, limit, size=(filters, dimension))


def _nearest(kernels, activation):
    """Nearest cosine, nearest filter, and groups of filters linked by cosines over 0.95."""
    units = kernels / np.linalg.norm(kernels, axis=1, keepdims=True)
    cosine = units @ units.T
    if activation == "linear":
        cosine = np.abs(cosine)
    np.fill_diagonal(cosine, -np.inf)
    cluster = np.arange(len(kernels))
    for i, j in np.argwhere(cosine > 0.95):
        cluster[cluster == cluster[j]] = cluster[i]
    return cosine.max(axis=1).clip(-1, 1), cosine.argmax(axis=1), np.unique(cluster, return_inverse=True)[1]
