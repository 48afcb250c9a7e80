"""The summary: its three numbers, from tables small enough to know them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from filtertwins.page.summary import summarise


def tables(architectures=("question", "relu_5x5"), counts=(1, 2, 4), seeds=2):
    """Tables whose values are known: see the tests."""
    keys = [(name, k, seed) for name in architectures for k in counts for seed in range(seeds)]
    runs = pd.DataFrame(keys, columns=["architecture", "filters", "seed"]).assign(dataset="digits")
    runs["test_accuracy"] = 0.5 + runs["filters"] / 10 + runs["seed"] / 100
    redundancy = pd.concat([runs.assign(stage=stage) for stage in ("initial", "trained")], ignore_index=True)
    trained, several = redundancy["stage"] == "trained", redundancy["filters"] > 1
    redundancy["live_filters"] = redundancy["filters"]
    redundancy["exact_duplicate_pairs"] = redundancy["twin_pairs"] = np.where(trained, 0, 100)
    redundancy["never_active_filters"] = 0
    redundancy["null_near_duplicate_pairs"] = 2.5
    redundancy["near_duplicate_pairs"] = np.where(trained, redundancy["filters"] + redundancy["seed"], 100)
    redundancy["mean_nearest_cosine"] = np.where(several & trained, 0.8 + redundancy["seed"] / 10, np.nan)
    redundancy["null_mean_nearest_cosine"] = np.where(several & trained, 0.6, np.nan)
    for name, share in (("", 0.75), ("strangers_", 0.72), ("null_", 0.6)):
        redundancy[f"{name}redundant_share"] = np.where(several & trained, share, np.nan)
    redundancy["excess"] = redundancy["mean_nearest_cosine"] - redundancy["null_mean_nearest_cosine"]
    return runs, redundancy


def line_of(text, *words):
    """The only line with all words, its spaces made single."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    (found,) = [line for line in lines if all(word in line for word in words)]
    return found


def test_it_says_what_was_run_and_keeps_the_order_of_the_study():
    text = summarise(*tables(architectures=("zeta", "alpha")), 0.95)
    assert text.splitlines()[0] == "digits: 12 networks, 2 seeds of each condition"
    assert text.rindex("zeta") < text.rindex("alpha")
    assert summarise(*tables(seeds=1), 0.95).splitlines()[0] == "digits: 6 networks, 1 seed of each condition"


def test_architectures_have_the_labels_of_figures():
    text = summarise(*tables(), 0.95, {"question": "as asked"})
    assert line_of(text, "as asked, 4 filters", "strangers")
    assert line_of(text, "as asked 1: 60.5%", "accuracy")
    assert line_of(text, "relu_5x5, 4 filters", "strangers")
    assert "question" not in text


def test_twins_are_counted_over_all_trained_networks_among_live_filters():
    runs, redundancy = tables()
    # per architecture and seed: 0, 1 and 6 pairs
    assert "0 twins (cosine within 1e-6 of 1), 0 of them equal, in 28 pairs of filters" in summarise(
        runs, redundancy, 0.95
    )
    redundancy.loc[redundancy.index[-1], ["twin_pairs", "live_filters"]] = [3, 3]
    assert "3 twins (cosine within 1e-6 of 1), 0 of them equal, in 25 pairs of filters" in summarise(
        runs, redundancy, 0.95
    )


def test_redundancy_stands_beside_chance_for_the_most_filters():
    runs, redundancy = tables()
    line = line_of(summarise(runs, redundancy, 0.95), "question, 4 filters")
    assert "75.0%, of strangers 72.0%, of re-drawn kernels 60.0%" in line
    assert "4.5 pairs over 0.95 a network, 2.5 re-drawn" in line  # the mean of two seeds
    redundancy["strangers_redundant_share"] = np.nan  # as with one seed
    line = line_of(summarise(runs, redundancy, 0.9), "relu_5x5, 4 filters", "pairs over 0.9 a")
    assert "of strangers unknown" in line


def test_filters_that_never_fire_are_told_of_the_architectures_that_have_some():
    runs, redundancy = tables()
    assert "never fire" not in summarise(runs, redundancy, 0.95)
    redundancy.loc[redundancy["architecture"] == "relu_5x5", "never_active_filters"] = 1
    assert "25.0% of the filters never fire" in line_of(summarise(runs, redundancy, 0.95), "relu_5x5", "never fire")


def test_accuracy_is_the_median_over_seeds_which_one_dead_network_does_not_move():
    runs, redundancy = tables(seeds=3)
    runs.loc[(runs["filters"] == 4) & (runs["seed"] == 0), "test_accuracy"] = 0.1
    line = line_of(summarise(runs, redundancy, 0.95), "relu_5x5", "accuracy")
    assert line.startswith("relu_5x5 1: 61.0% 2: 71.0% 4: 91.0%")


@pytest.mark.parametrize("counts", [(1,), (1, 2, 3, 4), (1, 2, 4, 8, 16, 32, 64, 128)])
def test_the_first_and_the_last_filter_count_are_always_shown(counts):
    text = summarise(*tables(counts=counts), 0.95)
    line = line_of(text, "question", "accuracy")
    assert f" {counts[0]}: " in line
    assert f" {counts[-1]}: " in line
    assert line.count("%") <= 5
    assert ("of strangers" in text) == (len(counts) > 1)  # single filters have none
    assert "nan" not in text
