"""Tables about pruning, from made-up rows."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from filtertwins.tables.pruned import importance_rows
from filtertwins.tables.pruning import compare_with_small, criteria_rows, first_flat
from filtertwins.tables.selection import best_for_others, with_selected

RUN = {"dataset": "mnist", "architecture": "question", "filters": 4, "seed": 3}


def test_importances_become_a_row_for_each_criterion_and_filter():
    rows = importance_rows(RUN, {"obd": np.array([0.5, 0.25]), "l1": np.array([1.0, 2.0])})
    found = [(row["criterion"], row["filter"], row["importance"]) for row in rows]
    assert found == [("obd", 0, 0.5), ("obd", 1, 0.25), ("l1", 0, 1.0), ("l1", 1, 2.0)]
    assert all(row.items() >= RUN.items() for row in rows)


def test_criteria_are_correlated_within_a_run_in_the_order_of_the_config():
    first = {"random": [1, 2, 3, 4], "taylor": [8, 6, 4, 3], "fpgm": [1, 3, 2, 9], "l1": [5, 5, 5, 5]}
    second = first | {"taylor": [1, 2, 3, 10]}
    importance = pd.DataFrame(
        importance_rows(RUN, {name: np.array(own, float) for name, own in first.items()})
        + importance_rows(RUN | {"seed": 5}, {name: np.array(own, float) for name, own in second.items()})
    )
    table = pd.DataFrame(criteria_rows(importance.sample(frac=1, random_state=1).sort_index()))
    assert list(table.columns) == [*RUN, "criterion", "other", "rank_correlation"]
    pairs = list(combinations(first, 2))
    assert list(zip(table["criterion"], table["other"], strict=True)) == 2 * pairs
    assert table["seed"].tolist() == [3] * 6 + [5] * 6
    np.testing.assert_allclose(table["rank_correlation"][:6], [-1, 0.8, np.nan, -0.8, np.nan, np.nan])
    np.testing.assert_allclose(table["rank_correlation"][6:], [1, 0.8, np.nan, 0.8, np.nan, np.nan])


# small_or_pruned.csv

SEEDS = range(6)
TUNING = 200
NETWORK = {"dataset": "mnist", "activation": "relu", "filters": 32}


def pruned_rows(rng, architecture="relu", methods=("none", "random", "obd", "l1"), kept=(2, 8), seeds=SEEDS):
    """Both before and after fine-tuning; OBD has the best validation accuracy, chance aside, but for 8 kept filters."""
    valid = {"none": 0.99, "random": 0.98, "cosine_merge": 0.97, "obd": 0.96, "l1": 0.95}
    return pd.DataFrame(
        {
            **NETWORK | {"architecture": architecture},
            "seed": seed,
            "method": method,
            "kept": 32 if method == "none" else count,
            "fine_tuning_steps": steps,
            "validation_accuracy": valid[method] + (0.02 if (method, count) == ("l1", 8) else 0) - (steps == 0) * 0.5,
            "test_accuracy": 0.95 - (steps == 0) * 0.5 + rng.normal(0, 0.001),
        }
        for method, count, seed, steps in product(methods, kept, seeds, (0, TUNING))
        if method != "none" or count == kept[0]
    )


def scratch_rows(rng, architecture="relu", kept=(2, 8), seeds=SEEDS, worse=0.0):
    return pd.DataFrame(
        {
            **NETWORK | {"architecture": architecture},
            "kept": count,
            "seed": seed,
            "budget": budget,
            "steps": 1200 if budget == "equal_epochs" else 4200,
            "test_accuracy": 0.95 - worse + rng.normal(0, 0.001),
        }
        for count, seed, budget in product(kept, seeds, ("equal_epochs", "equal_compute"))
    )


def test_pruned_networks_are_compared_with_small_ones_seed_by_seed_after_fine_tuning(rng):
    pruning, scratch = pruned_rows(rng), scratch_rows(rng)
    table = compare_with_small(pruning, scratch.sample(frac=1, random_state=0), margin=0.003)
    whole = with_selected(pruning)
    columns = "dataset architecture activation filters kept budget method difference low high margin no_worse n"
    assert list(table.columns) == [*columns.split(), "small_steps", "fine_tuning_steps"]
    assert len(table) == 4 * 2 * 2  # methods and the selected one, counts, budgets
    assert not table.duplicated(["architecture", "kept", "budget", "method"]).any()
    assert set(table["method"]) == {"random", "obd", "l1", "selected"}
    assert (table["n"] == len(SEEDS)).all()
    assert table["no_worse"].all()
    for _, row in table.iterrows():
        first, second = (
            side.sort_values("seed")["test_accuracy"].to_numpy()
            for side in (
                whole.query(f"method == '{row['method']}' and kept == {row['kept']} and fine_tuning_steps == {TUNING}"),
                scratch.query(f"budget == '{row['budget']}' and kept == {row['kept']}"),
            )
        )
        low, high = stats.ttest_1samp(first - second, 0).confidence_interval(0.9)
        assert (row["difference"], row["low"], row["high"]) == pytest.approx((np.mean(first - second), low, high))


def test_two_seeds_do_not_say_that_a_small_network_is_no_worse(rng):
    table = compare_with_small(pruned_rows(rng), scratch_rows(rng, seeds=range(2)), margin=0.003)
    assert table["no_worse"].isna().all()


def test_the_best_criterion_is_selected_for_each_seed_on_the_validation_images_of_the_others(rng):
    """Neither chance nor the whole network nor merging is among the choices, however good they are."""
    pruning = pruned_rows(rng, methods=("none", "random", "cosine_merge", "obd", "l1"))
    lucky = (pruning["seed"] == 2) & (pruning["method"] == "l1") & (pruning["kept"] == 2)
    pruning.loc[lucky & (pruning["fine_tuning_steps"] > 0), "validation_accuracy"] += 1  # best on average, by one seed
    whole = with_selected(pruning)
    pd.testing.assert_frame_equal(whole[whole["method"] != "selected"], pruning)
    for kept, seed, steps in product((2, 8), SEEDS, (0, TUNING)):
        own = whole.query(f"kept == {kept} and seed == {seed} and fine_tuning_steps == {steps}").set_index("method")
        expected = "obd" if (kept, seed) == (2, 2) else "l1"
        assert own.loc["selected", "test_accuracy"] == own.loc[expected, "test_accuracy"]


def test_choosing_without_each_seed_finds_no_gain_where_there_is_none(rng):
    """Six methods that are all alike; a network with luck on validation images has it on test images too."""
    ways = pd.MultiIndex.from_tuples([(8, name) for name in "abcdef"], names=["kept", "method"])
    left_out, own = [], []
    for _ in range(60):
        gains = pd.DataFrame(rng.standard_normal((10, 6)), columns=ways)
        chosen = best_for_others(gains)
        left_out.append(np.mean([gains.loc[seed, way] for seed, (way,) in chosen.items()]))
        own.append(gains.mean().max())
    assert abs(np.mean(left_out)) < 3 * np.std(left_out) / np.sqrt(60)
    assert np.mean(own) > 0.3  # what choice on the same seeds would find, in standard deviations of a network


def test_of_a_single_seed_nothing_is_selected(rng):
    pruning = pruned_rows(rng, seeds=range(1))
    pd.testing.assert_frame_equal(with_selected(pruning), pruning)
    assert "selected" not in set(compare_with_small(pruning, scratch_rows(rng, seeds=range(1)), margin=0.003)["method"])


def test_architectures_are_selected_on_their_own(rng):
    pruning, scratch = pruned_rows(rng), scratch_rows(rng)
    other = {
        "pruning": pruned_rows(rng, "wide", ("none", "l1")),
        "scratch": scratch_rows(rng, "wide", worse=0.1),
    }
    alone = compare_with_small(pruning, scratch, margin=0.003)
    both = compare_with_small(
        pd.concat([pruning, other["pruning"]]), pd.concat([scratch, other["scratch"]]), margin=0.003
    )
    own = both[both["architecture"] == "relu"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone)
    wide = both[both["architecture"] == "wide"]
    assert set(wide["method"]) == {"l1", "selected"}
    assert not wide["no_worse"].any()
    assert (wide["difference"] > 0.09).all()


def test_counts_without_a_small_network_are_left_out_and_the_columns_stay(rng):
    table = compare_with_small(pruned_rows(rng), scratch_rows(rng, kept=(8, 16)), margin=0.003)
    assert set(table["kept"]) == {8}
    empty = compare_with_small(pruned_rows(rng), scratch_rows(rng).iloc[:0], margin=0.003)
    assert (len(empty), list(empty)) == (0, list(table))


def trained_longer(rng, losses, **columns):
    """Rows of networks after 1, 2 and 4 times as many steps, whose mean validation losses these are."""
    return pd.DataFrame(
        NETWORK
        | {
            "architecture": "relu",
            "kept": 2,
            "seed": seed,
            "steps": 1200 << times,
            "budget": f"doubled_{times}" if times else "equal_epochs",
        }
        | {"validation_loss": loss + rng.normal(0, 1e-5), "test_accuracy": 0.9 + 0.02 * times + rng.normal(0, 1e-4)}
        | {name: values[times] for name, values in columns.items()}
        for seed in SEEDS
        for times, loss in enumerate(losses)
    )


def test_at_matched_convergence_each_side_is_trained_until_its_loss_is_flat(rng):
    """The pruned networks are flat at once, the small ones after twice the steps; other budgets stay as they were."""
    pruning, scratch = pruned_rows(rng), scratch_rows(rng)
    small = trained_longer(rng, (0.2, 0.1, 0.099))
    longer = trained_longer(rng, (0.1, 0.11, 0.05), fine_tuning_steps=(200, 1400, 3800)).drop(columns="steps")
    every = pd.concat([scratch, small[small["budget"] != "equal_epochs"]])
    every.loc[every["budget"] == "equal_epochs", "validation_loss"] = 0.2
    before = compare_with_small(pruning, scratch, margin=0.003)
    table = compare_with_small(pruning, every, longer, margin=0.003, loss=0.005)
    pd.testing.assert_frame_equal(table[: len(before)], before)
    [row] = table[len(before) :].to_dict("records")
    assert (row["budget"], row["method"], row["kept"]) == ("matched_convergence", "selected", 2)
    assert (row["small_steps"], row["fine_tuning_steps"], row["n"]) == (2400, 200, len(SEEDS))
    assert row["difference"] == pytest.approx(0.90 - 0.92, abs=1e-3)
    falling = longer.assign(validation_loss=longer["fine_tuning_steps"].map({200: 0.3, 1400: 0.2, 3800: 0.1}))
    table = compare_with_small(pruning, every, falling, margin=0.003, loss=0.005)
    assert "matched_convergence" not in set(table["budget"])  # The pruned ones still get better.


@pytest.mark.parametrize(
    ("losses", "steps"), [((0.3, 0.2, 0.1), None), ((0.3, 0.296, 0.1), 1), ((0.3, 0.2, 0.25), 2), ((0.3,), None)]
)
def test_a_loss_is_flat_where_twice_the_steps_lower_it_by_less_than_matters(losses, steps):
    rows = pd.DataFrame({"steps": [1, 2, 4][: len(losses)], "validation_loss": losses})
    assert first_flat(rows, 0.005) == steps
