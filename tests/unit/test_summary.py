"""The answer in three sentences, from tables small enough to know it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from filtertwins.page.summary import in_sentences


def tables(architectures=("question", "relu_5x5"), counts=(1, 2, 4), seeds=2):
    """Tables whose values are known: see the tests."""
    keys = [(name, k, seed) for name in architectures for k in counts for seed in range(seeds)]
    runs = pd.DataFrame(keys, columns=["architecture", "filters", "seed"]).assign(dataset="digits")
    runs["test_accuracy"] = 0.5 + runs["filters"] / 10 + runs["seed"] / 100
    redundancy = pd.concat([runs.assign(stage=stage) for stage in ("initial", "trained")], ignore_index=True)
    trained = redundancy["stage"] == "trained"
    redundancy["live_filters"] = redundancy["filters"]
    redundancy["exact_duplicate_pairs"] = redundancy["twin_pairs"] = np.where(trained, 0, 100)
    redundancy["redundant_share"] = np.where(trained, 0.3 + redundancy["seed"] / 10, 0.9)
    redundancy["null_redundant_share"], redundancy["strangers_redundant_share"] = 0.25, 0.3
    return runs, redundancy


def test_twins_are_counted_over_all_trained_networks_among_live_filters():
    runs, redundancy = tables()
    # per architecture and seed: 0, 1 and 6 pairs
    assert in_sentences(runs, redundancy)[0] == (
        "No two filters end up the same: of 28 pairs in 8 trained networks, none have a cosine within a millionth of 1,"
        " and none are equal to the last bit."
    )
    changed = ["exact_duplicate_pairs", "twin_pairs", "live_filters"]
    redundancy.loc[redundancy.index[-1], changed] = [2, 3, 3]
    assert in_sentences(runs, redundancy)[0].startswith("Some filters end up the same: of 25 pairs in 8 trained")
    assert "3 have a cosine within a millionth of 1, and 2 are equal" in in_sentences(runs, redundancy)[0]


def test_redundancy_stands_beside_chance_for_the_most_filters_under_the_names_of_figures():
    sentence = in_sentences(*tables(), {"question": "as asked"})[1]
    assert sentence == (
        "Filters beyond the first of a cluster of nearly equal ones are redundant: 35% of the 4 filters of as asked,"
        " where as many strangers (filters of other networks) have 30% and re-drawn kernels 25%; 35% of the 4 of"
        " relu_5x5 (30% and 25%)."
    )


def test_accuracy_is_the_median_over_seeds_which_one_dead_network_does_not_move():
    runs, redundancy = tables(seeds=3)
    runs.loc[(runs["filters"] == 4) & (runs["seed"] == 0), "test_accuracy"] = 0.1
    assert in_sentences(runs, redundancy)[2] == (
        "The median test accuracy is 61.0% with 1 and 91.0% with 4 filters for question;"
        " 61.0% with 1 and 91.0% with 4 filters for relu_5x5."
    )


@pytest.mark.parametrize("counts", [(1,), (4,), (1, 2, 4, 8)])
def test_any_study_gets_an_answer_of_three_sentences_at_most(counts):
    sentences = in_sentences(*tables(architectures=("a", "b", "c", "d"), counts=counts))
    assert len(sentences) == (3 if counts[-1] > 1 else 1)
    assert "nan" not in " ".join(sentences)
    assert " for d" not in " ".join(sentences)


def test_a_deeper_layer_is_named_with_its_own_number_of_filters_and_its_network_counts_once():
    runs, redundancy = tables(architectures=("deep",))
    second = redundancy.assign(architecture="deep conv2", live_filters=2 * redundancy["filters"], dead_filters=0)
    sentences = in_sentences(runs, pd.concat([redundancy, second], ignore_index=True), {"deep": "two layers"})
    assert "pairs in 6 trained networks" in sentences[0]  # Of a single filter in the first layer there are two above.
    assert "; 35% of the 8 of two layers, conv2 (30% and 25%)." in sentences[1]
