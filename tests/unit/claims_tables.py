"""Tables on which a claim gets the verdict that is wanted, for each test of claims but those about pruning."""

from __future__ import annotations

import numpy as np
import pandas as pd
from claims_checks import NOISE, SEEDS, around, by_seed, few, table

# Each function has the name of a test in filtertwins.claims.evidence, and takes a claim's parameters and a verdict.


def accuracy_in_range(p, verdict):
    first = {"supported": 0.925, "refuted": p["lowest"] - 0.01, "inconclusive": p["lowest"]}[verdict]
    means = dict.fromkeys(p["filters"], (p["lowest"] + p["highest"]) / 2) | {p["filters"][0]: first}
    parts = [by_seed(around(mean), architecture=p["architecture"], filters=count) for count, mean in means.items()]
    return {"runs": table(*parts, value="test_accuracy")}


def equal_accuracy(p, verdict):
    pairs = [(i, j) for i in p["filters"] for j in p["other_filters"] if i < j]
    rows = pd.DataFrame(pairs, columns=["filters", "other_filters"]).assign(
        dataset="mnist", architecture=p["architecture"], difference=0.0, low=-2e-4, high=2e-4, margin=p["margin"]
    )
    rows[["p_value", "p_holm", "n"]] = [1e-4, 1e-3, SEEDS]
    worst = {"supported": (0.0, 2e-4, 1e-3), "refuted": (0.01, 5e-4, 1.0), "inconclusive": (0.003, 1e-3, 0.6)}
    difference, half, p_holm = worst[verdict]
    columns = ["difference", "low", "high", "p_holm"]
    rows.loc[len(rows) - 1, columns] = [-difference, -difference - half, -difference + half, p_holm]
    return {"equivalence": rows}


def logits_change_when_merged(p, verdict):
    inside = np.sqrt(max(p.get("at_least", 1e-15), 1e-15) * min(p.get("at_most", 1e3), 1e3))
    outside = p["at_least"] / 2 if "at_least" in p else p["at_most"] * 2
    own = {"architecture": p["architecture"], "filters_kept": p["filters_kept"]}
    # A network of no more filters than are kept does not count, whatever it does.
    rows = table(
        by_seed(np.full(SEEDS, inside), filters=8, **own),
        by_seed(np.full(SEEDS, outside), filters=p["filters_kept"], **own),
        value="largest_logit_change",
    )
    if verdict == "refuted":
        rows.loc[3, "largest_logit_change"] = outside
    return {"merging": few(rows, verdict)}


def exact_duplicates_occur(p, verdict):
    runs = {"supported": 100, "refuted": 100, "inconclusive": 20}[verdict]
    rows = pd.DataFrame({"dataset": "mnist", "seed": np.arange(runs) % SEEDS, "live_filters": 4, "stage": "trained"})
    rows = rows.assign(architecture="question", exact_duplicate_pairs=0, close_duplicate_pairs=0)
    if verdict == "supported":
        rows.loc[:20, "exact_duplicate_pairs"] = 2
    # Neither initial kernels nor single filters count.
    other = rows.assign(stage="initial", exact_duplicate_pairs=1)
    single = rows.assign(live_filters=1, exact_duplicate_pairs=1)
    return {"redundancy": table(rows, other, single)}


def near_duplicates_occur(p, verdict):
    having = {"supported": SEEDS, "refuted": 1, "inconclusive": SEEDS // 2}[verdict]
    own = {"architecture": p["architecture"], "filters": p["filters"], "threshold": p["threshold"]}
    rows = by_seed(np.where(np.arange(SEEDS) < having, 3, 0), stage="trained", **own).rename(columns={"value": "pairs"})
    elsewhere = [rows.assign(stage="initial"), rows.assign(threshold=0.5), rows.assign(filters=4)]
    return {"near_duplicates": table(rows, *(other.assign(pairs=3 - other["pairs"]) for other in elsewhere))}


def excess_row(p, verdict, line):
    """Columns excess, low, high, p_fdr of a row that is over, not over, or across a line."""
    excess, half, p_fdr = {
        "supported": (line + 0.2, 0.1, 0.001),
        "refuted": (line - 0.2, 0.1, 1.0),
        "inconclusive": (line + 0.05, 0.1, 0.2),
    }[verdict]
    return {"excess": excess, "low": excess - half, "high": excess + half, "p_fdr": p_fdr}


def more_near_duplicates_than_chance(p, verdict):
    row = {"dataset": "mnist", "architecture": p["architecture"], "filters": p["filters"], "threshold": p["threshold"]}
    row |= excess_row(p, verdict, p["more_than"]) | {"fraction": 0.3, "null_fraction": 0.1, "n": SEEDS}
    return {"excess_by_threshold": pd.DataFrame([row, row | {"threshold": 0.5, "excess": np.nan}])}


def excess_table(p, columns):
    row = {"dataset": "mnist", "architecture": p["architecture"], "filters": p["filters"], "n": SEEDS}
    row |= {"mean_nearest_cosine": 0.7, f"{p['chance']}_null": 0.5}
    row |= {f"{p['chance']}_{name}": value for name, value in columns.items()}
    return {"excess": pd.DataFrame([row, row | {"filters": 3, f"{p['chance']}_excess": np.nan}])}


def more_alike_than_chance(p, verdict):
    return excess_table(p, excess_row(p, verdict, p["more_than"]))


def as_alike_as_chance(p, verdict):
    excess = {"supported": 0.0, "refuted": 3 * p["margin"], "inconclusive": p["margin"]}[verdict]
    return excess_table(p, {"excess": excess, "low": excess - p["margin"] / 2, "high": excess + p["margin"] / 2})


def strangers_of(p, ratio):
    low, high = (0.9 * ratio, 1.1 * ratio) if ratio else (0.5, 2.0)
    names = {"dataset": "mnist", "architecture": p["architecture"], "filters": p["filters"], "stage": "trained"}
    measured = {"within": 0.005, "between": 0.01, "ratio": ratio or 1.0, "ratio_low": low, "ratio_high": high}
    return {"strangers": pd.DataFrame([names | measured | {"estimable": True, "n": 10}])}


def close_pairs_beside_strangers(p, verdict):
    inside, outside = np.sqrt(max(p["lowest"], 0.25) * p["highest"]), 1.5 * p["highest"]
    return strangers_of(p, {"supported": inside, "refuted": outside, "inconclusive": None}[verdict])


def fewer_close_pairs_than_strangers(p, verdict):
    second = {"supported": 0.6, "refuted": 1.0, "inconclusive": None}[verdict]
    ratios = [0.6, second, 0.6]
    tables = [
        strangers_of({"architecture": name, "filters": p["filters"]}, ratio)["strangers"]
        for name, ratio in zip(p["architectures"], ratios, strict=True)
    ]
    return {"strangers": pd.concat(tables, ignore_index=True)}


def training_moves_filters_together(p, verdict):
    parts = []
    for index, name in enumerate(p["architectures"]):
        change = 0.1
        if index == 1:  # one part is enough to refute, and not enough to support
            change = {"supported": 0.1, "refuted": -0.1, "inconclusive": 0.0}[verdict]
        own = {"architecture": name, "filters": p["filters"]}
        parts.append(by_seed(around(0.6, 0.01), stage="initial", **own))
        parts.append(by_seed(around(0.6 + change, 0.02), stage="trained", **own))
    return {"redundancy": table(*parts, value="mean_nearest_cosine")}


TWINS = {"epsilon": 0.0, "dropout": 0.0, "momentum": 0.0, "filters": 8, "activation": "linear"}


def twin_networks(separations, **columns):
    """Two steps of each of SEEDS networks: the start, and step 1 with the given separations."""
    rows = [
        by_seed(values, **TWINS | columns, step=step).assign(outgoing_separation=0.0)
        for step, values in enumerate([np.zeros(SEEDS), separations])
    ]
    rows = table(*rows, value="separation")
    return rows.assign(equal=rows["separation"] == 0)


def twins_stay_equal(p, verdict):
    together, apart = np.zeros(SEEDS), np.full(SEEDS, 0.1)
    parts = []
    for name in p["optimizers"]:
        optimizer = {"optimizer": "sgd", "momentum": 0.9} if name == "momentum" else {"optimizer": name}
        parts.append(twin_networks(together, second_filter="twin", architecture=f"linear_{name}", **optimizer))
    # None of these are exact twins without dropout.
    other = {"optimizer": "adam", "architecture": "other"}
    parts.append(twin_networks(apart, second_filter="half_twin", **other))
    parts.append(twin_networks(apart, second_filter="twin", **other, epsilon=1e-9))
    parts.append(twin_networks(apart, second_filter="twin", **other, dropout=0.5))
    rows = table(*parts)
    if verdict == "refuted":
        rows.loc[SEEDS, ["separation", "equal"]] = [1e-12, False]
    return {"twins": few(rows, verdict)}


def twins_separate(p, verdict):
    own = {"second_filter": p["second_filter"], "activation": "linear", "optimizer": "adam"}
    dropout, none = (0.5, 0.0) if p["with_dropout"] else (0.0, 0.5)
    separations = np.full(SEEDS, 0.1)
    if verdict == "refuted":
        separations[4] = 0.0
    rows = table(
        twin_networks(separations, **own, architecture="a", dropout=dropout),
        twin_networks(np.zeros(SEEDS), **own, architecture="b", dropout=none),
        twin_networks(np.zeros(SEEDS), **own | {"activation": "relu"}, architecture="c", dropout=dropout),
    )
    return {"twins": few(rows, verdict)}


def losses(p, difference, spread):
    """Networks of 3 and 4 filters; the loss with twins differs from that with the other kind of second filter."""
    own = {"architecture": p["architecture"], "activation": "relu", "twins_equal": None}
    parts = []
    for filters in (3, 4):
        base = around(0.3, 0.01)
        parts.append(by_seed(base, **own, filters=filters, second_filter=p["other"]))
        noise = spread * NOISE[::-1]
        parts.append(by_seed(base + difference + noise, **own, filters=filters, second_filter="twin"))
    wrong = by_seed(around(9.0), **own | {"architecture": "other"}, filters=3, second_filter="twin")
    rows = table(*parts, wrong, value="train_loss")
    rows.loc[rows["second_filter"] == "twin", "twins_equal"] = True
    return {"one_fewer": rows}


def same_loss(p, verdict):
    margin = p["margin"]
    return losses(p, {"supported": 0, "refuted": 5 * margin, "inconclusive": margin}[verdict], margin / 5)


def larger_loss(p, verdict):
    return losses(p, {"supported": 0.1, "refuted": -0.1, "inconclusive": 0.0}[verdict], 0.02)


def removals(*, near=(0.0, 0.0), other=(0.0, 0.0)):
    """Two near duplicates and two other filters of each network, each with a cost of removal (mean, spread)."""
    own = {"architecture": "relu_5x5", "activation": "relu", "filters": 20, "never_active": False}
    parts = [
        by_seed(around(mean, spread), near_duplicate=is_near, **own)
        for is_near, (mean, spread) in ((True, near), (False, other))
        for _ in range(2)
    ]
    parts.append(by_seed(np.full(SEEDS, -9.0), near_duplicate=True, **own | {"never_active": True}))  # does not count
    rows = table(*parts, value="loss_increase")
    return rows.assign(accuracy_decrease=rows["loss_increase"], accuracy_decrease_merged=rows["loss_increase"])


def removal_costs_nothing(p, verdict):
    margin = p["margin"]
    cost = {"supported": 0, "refuted": 5 * margin, "inconclusive": margin}[verdict]
    rows = removals(near=(cost, margin / 5), other=(0.1, 0.0))
    not_meant = "accuracy_decrease" if p["merged"] else "accuracy_decrease_merged"
    return {"removal": rows.assign(**{not_meant: 5 * margin - rows[not_meant]})}  # what it costs in the other way


def removal_costs_less(p, verdict):
    near = {"supported": 0.1, "refuted": 0.3, "inconclusive": 0.2}[verdict]
    return {"removal": removals(near=(near, 0.01), other=(0.2, 0.02))}


def similarity_predicts_cost(p, verdict):
    mean = {"supported": p["below"] - 0.3, "refuted": p["below"] + 0.3, "inconclusive": p["below"]}[verdict]
    enough, few_filters = (
        by_seed(around(value, 0.05), architecture="relu_5x5", activation="relu", filters=filters)
        for value, filters in ((mean, p["fewest_filters"]), (0.9, p["fewest_filters"] - 1))
    )
    return {"removal_correlations": table(enough, few_filters, value="rank_correlation")}


def small_weights_align(p, verdict):
    line = p["near_equal"]
    small = {"supported": (1 + line) / 2, "refuted": line - 0.2, "inconclusive": line}[verdict]
    parts = [
        by_seed(around(value, 0.01), architecture=name, filters=16, scale=scale, step=step)
        for name in ("linear", "relu")
        for scale, values in ((1.0, (0.2, 0.3)), (0.1, (0.2, 0.5)), (1e-4, (0.2, small)))
        for step, value in zip((0, 300), values, strict=True)
    ]
    return {"condensation": table(*parts, value="mean_cosine").assign(isotropic_mean_cosine=0.16)}
