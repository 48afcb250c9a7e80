"""Means over seeds: as plain pandas has them, with the study's one interval, and written beside their table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from filtertwins.files import read_csv
from filtertwins.measures.statistics import rank_correlation, seed_interval
from filtertwins.tables.means import MEANS, means_of, write_table

SEEDS = range(4)
RUN = {"dataset": "mnist", "architecture": "relu_5x5", "activation": "relu", "filters": 8}


def rows_of(**columns):
    """One row a seed and combination of the given lists; a function is called with a generator of the seed."""
    lists = {name: value for name, value in columns.items() if isinstance(value, list)}
    table = pd.MultiIndex.from_product([SEEDS, *lists.values()], names=["seed", *lists]).to_frame(index=False)
    rng = np.random.default_rng(5)
    for name, value in columns.items():
        if callable(value):
            table[name] = value(rng, len(table))
        elif name not in lists:
            table[name] = value
    return table.assign(**{name: value for name, value in RUN.items() if name not in table})


def uniform(rng, count):
    return rng.random(count)


def mean_of(means, **wanted):
    row = means[(means[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    assert len(row) == 1, wanted
    return row.iloc[0]


def test_a_mean_has_the_interval_of_its_seeds_in_any_order():
    runs = rows_of(test_accuracy=uniform, filters=[2, 8])
    means = means_of("runs", runs.sample(frac=1, random_state=1))
    for filters, own in runs.groupby("filters"):
        row, interval = mean_of(means, filters=filters, measure="test_accuracy"), seed_interval(own["test_accuracy"])
        expected = [interval.estimate, interval.low, interval.high, interval.median, 4]
        assert row[["mean", "low", "high", "median", "n"]].tolist() == expected


def test_means_of_redundancy_stand_beside_their_nulls():
    names = ["null_mean_nearest_cosine", "null_redundant_share"]
    nulls = {f"{name}{end}": uniform for name in names for end in ("", "_low", "_high")}
    nulls |= {"null_near_duplicate_pairs": 1.5, "strangers_redundant_share": uniform}
    measures = dict.fromkeys(MEANS["redundancy"].measures[:3], uniform)
    table = rows_of(stage=["initial", "trained"], layer="conv1", dimension=25, **nulls, **measures)
    means = means_of("redundancy", table)
    row = mean_of(means, stage="trained", measure="redundant_share")
    own = table[table["stage"] == "trained"]
    assert row["mean"] == pytest.approx(own["redundant_share"].mean())
    assert row["null_high"] == pytest.approx(own["null_redundant_share_high"].mean())
    assert row["strangers"] == pytest.approx(own["strangers_redundant_share"].mean())
    for rung in ("null", "strangers"):
        over = mean_of(means, stage="trained", measure=f"redundant_share_over_{rung}")
        interval = seed_interval(own["redundant_share"] - own[f"{rung}_redundant_share"])
        assert over[["mean", "low", "high"]].tolist() == [interval.estimate, interval.low, interval.high]
    pairs = mean_of(means, stage="trained", measure="near_duplicate_pairs")
    assert (pairs["null"], np.isnan(pairs["null_low"])) == (1.5, True)


def test_losses_are_compared_within_seeds():
    table = rows_of(second_filter=["own", "twin", "silent"], train_loss=uniform, epsilon=0.0)
    losses = table.pivot_table(index="seed", columns="second_filter", values="train_loss")
    for other in ("own", "silent"):
        row = mean_of(means_of("one_fewer", table), comparison=f"twin - {other}")
        interval = seed_interval(losses["twin"] - losses[other])
        assert row[["mean", "low"]].tolist() == pytest.approx([interval.estimate, interval.low])
    near = table[table["second_filter"] == "twin"].assign(epsilon=0.1, train_loss=lambda rows: rows["train_loss"] + 1)
    without_silent = pd.concat([table[table["second_filter"] != "silent"], near])
    means = means_of("replanted", without_silent)
    exact, later = (mean_of(means, epsilon=gap, comparison="twin - own")["mean"] for gap in (0.0, 0.1))
    assert later == pytest.approx(exact + 1)
    assert set(means["comparison"]) == {"twin - own"}


def test_times_are_compared_within_rounds():
    cost = {"kept": [4, 8], "batch": [1], "latency_s": uniform, "parameters": 100}
    table = rows_of(**cost).rename(columns={"seed": "round"})
    times = table.pivot_table(index="round", columns="kept", values="latency_s")
    row = mean_of(means_of("cost", table), kept=4)
    assert row["mean"] == pytest.approx((times[4] / times[8]).mean())
    assert row["share_kept"] == 0.5
    assert mean_of(means_of("cost", table), kept=8)["mean"] == 1


def test_retrained_accuracy_is_compared_with_no_deletion():
    names = [*(name for name in MEANS["obd"].measures if name != "retrained_change"), "test_accuracy_retrained"]
    table = rows_of(ranking=["obd", "magnitude"], share=[0.0, 0.5], **dict.fromkeys(names, uniform))
    by_share = table[table["ranking"] == "obd"].pivot_table(index="seed", columns="share", values=names[-1])
    row = mean_of(means_of("obd", table), ranking="obd", share=0.5, measure="retrained_change")
    assert row["mean"] == pytest.approx((by_share[0.5] - by_share[0.0]).mean())


def test_twins_are_counted_and_near_twins_grow_beyond_other_filters():
    names = {"optimizer": "sgd", "learning_rate": 0.1, "dropout": 0.0, "second_filter": "twin"}
    names |= {"bias_gap": 0.0, "pair": "0 and 1", "kernel_distance": 0.1}
    table = rows_of(epsilon=[0.0, 0.1], step=[0, 10], log_growth=uniform, log_growth_at_large=uniform, **names)
    table["equal"] = (table["epsilon"] == 0) & ((table["step"] == 0) | (table["seed"] > 0))
    table.loc[table["epsilon"] == 0, "log_growth"] = np.nan
    means = means_of("twins", table)
    assert mean_of(means, epsilon=0.0, step=10, measure="equal")["mean"] == 3 / 4
    assert np.isnan(mean_of(means, epsilon=0.0, step=10, measure="log_growth_beyond")["mean"])
    near = table[(table["epsilon"] > 0) & (table["step"] == 10)]
    beyond = (near["log_growth"] - near["log_growth_at_large"]).mean()
    assert mean_of(means, epsilon=0.1, step=10, measure="log_growth_beyond")["mean"] == pytest.approx(beyond)


def test_removal_is_ranked_within_networks_by_the_filters_that_fire(tmp_path):
    table = rows_of(filter=list(range(6)), nearest_cosine=uniform, loss_increase=uniform, never_active=False)
    table["never_active"] = table["filter"] == 5
    write_table(table, tmp_path / "removal.csv")
    by_network = read_csv(tmp_path / "removal_correlations.csv")
    expected = [
        rank_correlation(own["nearest_cosine"], own["loss_increase"])
        for _, own in table[table["filter"] < 5].groupby("seed")
    ]
    assert by_network["rank_correlation"].tolist() == pytest.approx(expected)
    assert read_csv(tmp_path / "removal_means.csv")["mean"][0] == pytest.approx(by_network["rank_correlation"].mean())
    assert {path.stem for path in tmp_path.iterdir()} == {"removal", "removal_means", "removal_correlations"}


@pytest.mark.parametrize("name", ["condensation", "controls", "criteria"])
def test_the_other_tables_are_averaged_by_their_keys(name):
    keys = [key for key in MEANS[name].keys if key not in RUN]
    table = rows_of(**{key: [1, 2] for key in keys}, **dict.fromkeys(MEANS[name].measures, uniform))
    means = means_of(name, table)
    assert len(means) == 2 ** len(keys) * len(MEANS[name].measures)
    for measure in MEANS[name].measures:
        expected = table.groupby(keys or ["filters"])[measure].mean()
        assert means[means["measure"] == measure]["mean"].tolist() == pytest.approx(expected.tolist())
