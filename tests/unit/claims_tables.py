"""Tables on which a claim gets the verdict that is wanted, for each test of claims but those about pruning."""

from __future__ import annotations

import numpy as np
import pandas as pd
from claims_checks import MARGINS, NOISE, SEEDS, around, by_seed, few, table

# Each function has the name of a test in filtertwins.claims.evidence, and takes a claim's parameters and a verdict.


def accuracy_in_range(p, verdict):
    first = {"supported": 0.925, "refuted": p["lowest"] - 0.01, "inconclusive": p["lowest"]}[verdict]
    means = dict.fromkeys(p["filters"], (p["lowest"] + p["highest"]) / 2) | {p["filters"][0]: first}
    own = {"architecture": p.get("exact", p["architecture"]), "steps": 2000}
    rows = table(*(by_seed(around(mean), filters=count, **own) for count, mean in means.items()), value="test_accuracy")
    if "exact" not in p:
        return {"runs": rows}
    # What the exact reading stands in for does not count beside it.
    proxy = rows.assign(architecture=p["architecture"], steps=1000, test_accuracy=rows["test_accuracy"] - 0.02)
    return {"runs": proxy, "exact_reading": rows}


def equal_accuracy(p, verdict):
    counts = sorted({*p["filters"], *p["other_filters"]})
    last = {"supported": 0.0, "refuted": 5 * MARGINS.accuracy, "inconclusive": MARGINS.accuracy}[verdict]
    parts = [
        by_seed(around(0.92 + last * (count == counts[-1]), 3e-4), architecture=p["architecture"], filters=count)
        for count in counts
    ]
    for place, rows in enumerate(parts):
        rows["value"] += 3e-4 * np.roll(NOISE, place)
    return {"runs": table(*parts, value="test_accuracy")}


def logits_change_when_merged(p, verdict):
    inside = np.sqrt(max(p.get("at_least", 1e-15), 1e-15) * min(p.get("at_most", 1e3), 1e3))
    outside = p["at_least"] / 2 if "at_least" in p else p["at_most"] * 2
    own = {"architecture": p["architecture"], "filters_kept": p["filters_kept"]}
    # A network of no more filters than are kept does not count, whatever it does.
    rows = table(
        *(by_seed(np.full(SEEDS, inside), filters=count, **own) for count in p["filters"]),
        by_seed(np.full(SEEDS, outside), filters=p["filters_kept"], **own),
        value="largest_logit_change",
    )
    if verdict == "refuted":
        rows.loc[3, "largest_logit_change"] = outside
    return {"merging": few(rows, verdict)}


def networks_of(p, **columns):
    """One row for each of a claim's networks and seed."""
    pairs = [(name, count) for name, counts in p["networks"].items() for count in counts]
    return table(*(by_seed(np.zeros(SEEDS), architecture=name, filters=count, **columns) for name, count in pairs))


def duplicates_occur(p, verdict):
    rows = networks_of(p, live_filters=4, stage="trained", exact_duplicate_pairs=0)
    having = {"supported": SEEDS, "refuted": 0, "inconclusive": SEEDS // 2}[verdict]
    rows["twin_pairs"] = np.where((rows["filters"] == 16) & (rows["seed"] < having), 2, 0)
    # Neither initial kernels nor other networks count.
    other = rows.assign(stage="initial", twin_pairs=1)
    elsewhere = rows.assign(architecture="other", twin_pairs=1)
    return {"redundancy": table(rows, other, elsewhere)}


def near_duplicate_pairs(p, fractions, chance=0.1, **columns):
    """Rows of one condition, whose pairs over the threshold are a share of all, one value a seed."""
    own = {"architecture": p["architecture"], "filters": p["filters"], "threshold": p["threshold"], "stage": "trained"}
    rows = by_seed(fractions, **own | columns).rename(columns={"value": "fraction"})
    return rows.assign(
        null_fraction=chance, p_value=0.01, pooled_p_value=0.01, pairs=np.round(100 * rows["fraction"]).astype(int)
    )


def beside_others(rows):
    """The rows, and others that do not count."""
    changes = [{"stage": "initial"}, {"threshold": 0.5}, {"filters": 4}]
    return {"near_duplicates": table(rows, *(rows.assign(**own, fraction=1.0, pairs=7) for own in changes))}


def near_duplicates_occur(p, verdict):
    having = {"supported": SEEDS, "refuted": 0, "inconclusive": SEEDS // 2}[verdict]
    return beside_others(near_duplicate_pairs(p, np.where(np.arange(SEEDS) < having, 0.03, 0.0)))


def more_near_duplicates_than_chance(p, verdict):
    times = {"supported": 2.0, "refuted": 1.0, "inconclusive": MARGINS.ratio}[verdict]
    rows = near_duplicate_pairs(p, around(0.1 * times, 0.005))
    p_value = 0.01 if verdict == "supported" else 0.5
    return beside_others(rows.assign(p_value=p_value, pooled_p_value=p_value))


def as_many_near_duplicates_as_chance(p, verdict):
    times = {"supported": 1.0, "refuted": 2.0, "inconclusive": MARGINS.ratio}[verdict]
    return beside_others(near_duplicate_pairs(p, around(0.1 * times, 0.01)))


def more_alike_than_chance(p, verdict):
    excess = {"supported": 0.2, "refuted": 0.0, "inconclusive": MARGINS.cosine}[verdict]
    own = {"architecture": p["architecture"], "filters": p["filters"]}
    rows = by_seed(around(excess, MARGINS.cosine / 5), stage="trained", **own).rename(columns={"value": "excess"})
    rows = rows.assign(null_mean_nearest_cosine=0.5, mean_nearest_cosine=0.5 + rows["excess"])
    return {"redundancy": table(rows, rows.assign(stage="initial", excess=-1.0), rows.assign(filters=3, excess=9.0))}


def strangers_of(p, ratio, name):
    low, high = (0.9 * ratio, 1.1 * ratio) if ratio else (0.5, 2.0)
    names = {"dataset": "mnist", "architecture": name, "filters": p["filters"], "stage": "trained"}
    measured = {"within": 0.005, "between": 0.01, "ratio": ratio or 1.0, "ratio_low": low, "ratio_high": high}
    return pd.DataFrame([names | measured | {"estimable": True, "n": SEEDS}])


def close_pairs_beside_strangers(p, verdict):
    inside, outside = {"fewer": (0.6, 1.0), "same": (1.0, 2.0)}[p["beside"]]
    last = {"supported": inside, "refuted": outside, "inconclusive": None}[verdict]
    ratios = [*[inside] * (len(p["architectures"]) - 1), last]
    return {"strangers": table(*(strangers_of(p, *own) for own in zip(ratios, p["architectures"], strict=True)))}


def close_pairs_in_a_layer(p, verdict):
    ratio = {"supported": 0.6, "refuted": 1.0, "inconclusive": None}[verdict]
    rows = strangers_of(p, ratio, p["architecture"]).assign(layer=p["layer"])
    return {"depth_strangers": table(rows, rows.assign(layer="conv1", ratio=9.0, ratio_low=8.0, ratio_high=10.0))}


def layers_more_alike_than_chance(p, verdict):
    last = {"supported": 0.2, "refuted": 0.0, "inconclusive": MARGINS.cosine}[verdict]
    own = {"architecture": p["architecture"], "filters": p["filters"], "stage": "trained"}
    excess = dict.fromkeys(p["layers"], 0.2) | {p["layers"][-1]: last}
    return {
        "depth": table(
            *(by_seed(around(mean, MARGINS.cosine / 5), layer=layer, **own) for layer, mean in excess.items()),
            value="excess",
        )
    }


def more_filters_more_redundant(p, verdict):
    rises = dict.fromkeys(p["architectures"], 0.3)
    rises[p["architectures"][1]] = {"supported": 0.3, "refuted": 0.0, "inconclusive": MARGINS.share}[verdict]
    within = []
    for name, rise in rises.items():
        for count, share in ((p["few"], 0.2), (p["many"], 0.2 + rise)):
            own = {"architecture": name, "filters": count, "stage": "trained"}
            others = dict.fromkeys(("null_redundant_share", "strangers_redundant_share"), count / 200)
            rows = by_seed(around(share, 0.01 * (count == p["few"])), **own, **others)
            within += [rows, rows.assign(stage="initial", value=0.5)]
    return {"redundancy": table(*within, value="redundant_share")}


def with_and_without(p, column, values, change, spread):
    """Networks of each seed without something, and others that have it, with a change of their own."""
    without = by_seed(values, architecture=p["without"], filters=p["filters"])
    having = by_seed(values + around(change, spread)[::-1], architecture=p["architecture"], filters=p["filters"])
    return {"preventers": table(without, having, having.assign(filters=1, value=9.0), value=column)}


def preventer_changes_likeness(p, verdict):
    line = MARGINS.cosine if p["moves"] == "together" else -MARGINS.cosine
    change = {"supported": 10 * line, "refuted": -10 * line, "inconclusive": line}[verdict]
    return with_and_without(p, "mean_nearest_cosine", around(0.6, 0.1), change, 0.01)


def preventer_makes_redundant(p, verdict):
    last = {"supported": 0.3, "refuted": -0.3, "inconclusive": MARGINS.share}[verdict]
    changes = [0.3] * (len(p["architectures"]) - 1) + [last]
    parts = [
        with_and_without(p | dict(zip(("architecture", "without"), pair, strict=True)), "redundant_share", own, x, 0.01)
        for *pair, x in zip(p["architectures"], p["without"], changes, strict=True)
        for own in [around(0.4, 0.05)]
    ]
    return {"preventers": table(*(part["preventers"] for part in parts))}


def preventer_costs_nothing(p, verdict):
    margin = MARGINS.accuracy
    change = {"supported": 0, "refuted": -5 * margin, "inconclusive": margin}[verdict]
    return with_and_without(p, "test_accuracy", around(0.97, 0.01), change, margin / 5)


def close_pairs_with_a_preventer(p, verdict):
    ratio = {"supported": 1.5, "refuted": 0.5, "inconclusive": None}[verdict]
    return {"preventers_strangers": strangers_of(p, ratio, p["architecture"])}


def training_moves_filters_together(p, verdict):
    parts = []
    for index, name in enumerate(p["architectures"]):
        change = 0.1
        if index == 1:  # one part is enough to refute, and not enough to support
            change = {"supported": 0.1, "refuted": -0.1, "inconclusive": MARGINS.cosine}[verdict]
        own = {"architecture": name, "filters": p["filters"]}
        parts.append(by_seed(around(0.6, 0.01), stage="initial", **own))
        parts.append(by_seed(around(0.6 + change, 0.02), stage="trained", **own))
    return {"redundancy": table(*parts, value="mean_nearest_cosine")}


def trained_conditions(networks, decisive, **columns):
    """A row a seed of each condition; the second one has other values, which are enough to refute."""
    first, second = decisive
    parts = [
        by_seed(second if index == 1 else first, stage="trained", architecture=name, filters=filters, **columns)
        for index, (name, [filters]) in enumerate(networks.items())
    ]
    return table(*parts, table(*parts).assign(stage="initial", value=0.5))


def larger_redundant_share(p, verdict):
    line = MARGINS.share
    second = {"supported": line + 0.1, "refuted": line - 0.1, "inconclusive": line}[verdict]
    rows = trained_conditions(p["networks"], (around(0.6 + line, 0.01), around(0.5 + second, 0.01)))
    rows = rows.rename(columns={"value": "redundant_share"})
    return {"redundancy": rows.assign(**{f"{p['beside']}_redundant_share": 0.5})}


def near_kernels_give_near_responses(p, verdict):
    line = p["more_than"]
    second = {"supported": (1 + line) / 2, "refuted": line - 0.2, "inconclusive": line}[verdict]
    rows = trained_conditions(p["networks"], (around((1 + line) / 2, 0.01), around(second, 0.01)))
    rows = rows.rename(columns={"value": "near_kernels_near_responses"})
    return {"functional": rows.assign(near_responses_near_kernels=0.3)}


TWINS = {"epsilon": 0.0, "bias_gap": 0.0, "dropout": 0.0, "momentum": 0.0, "filters": 8, "activation": "linear"}
TWINS |= {"implementation": "stacked", "pair": "0 and 1"}


def twin_networks(separations, **columns):
    """Two steps of each of SEEDS networks: the start, and step 1 with the given separations."""
    rows = [
        by_seed(values, **TWINS | columns, step=step).assign(outgoing_separation=0.0)
        for step, values in enumerate([np.zeros(SEEDS), separations])
    ]
    rows = table(*rows, value="separation")
    return rows.assign(equal=rows["separation"] == 0, relative_distance=rows["separation"])


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
    parts.append(twin_networks(apart, second_filter="twin", **other, bias_gap=0.1))
    parts.append(twin_networks(apart, second_filter="twin", **other, dropout=0.5))
    by_rounding = np.full(SEEDS, p["rounding"] / 2)
    planted = twin_networks(by_rounding, second_filter="twin", implementation="keras", architecture="relu_keras")
    if verdict == "refuted":
        planted.loc[SEEDS, "relative_distance"] = 2 * p["rounding"]
    return {"twins": few(table(*parts), verdict), "planted": few(planted, verdict)}


def near_twins_part_faster(p, verdict):
    parts = []
    for index, name in enumerate(p["architectures"]):
        beyond = (
            {"supported": 0.4, "refuted": -0.4, "inconclusive": np.log(MARGINS.ratio)}[verdict] if index == 1 else 0.4
        )
        own = TWINS | {"architecture": name, "second_filter": "twin", "epsilon": p["epsilon"]}
        rows = by_seed(around(0.5 + beyond, 0.02), **own, step=300).assign(log_growth_at_large=0.5)
        # Neither other steps nor other distances count.
        parts += [rows, rows.assign(step=10, log_growth_at_large=9.0), rows.assign(epsilon=0.1, value=-9.0)]
    return {"twins": table(*parts, value="log_growth").assign(equal=False)}


def equal_weights_stay_together(p, verdict):
    parts, line = [], p["less_than"]
    for index, name in enumerate(p["architectures"]):
        ends = {"supported": line / 2, "refuted": 2 * line, "inconclusive": line}[verdict] if index else line / 2
        own = TWINS | {"architecture": name, "second_filter": "twin", "bias_gap": p["bias_gap"]}
        rows = by_seed(around(ends, line / 20), **own, step=300)
        parts += [rows, rows.assign(step=10, value=9.0), rows.assign(bias_gap=0.0, value=9.0)]
    return {"twins": table(*parts, value="kernel_distance")}


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
    """A claim's networks; the loss with twins differs from that with the other kind of second filter."""
    [(architecture, counts)] = p["networks"].items()
    own = {"architecture": architecture, "activation": "relu", "twins_equal": None, "epsilon": 0.0}
    parts = []
    for filters in counts:
        base = around(0.3, 0.01)
        parts.append(by_seed(base, **own, filters=filters, second_filter=p["other"]))
        noise = spread * NOISE[::-1]
        parts.append(by_seed(base + difference + noise, **own, filters=filters, second_filter="twin"))
    wrong = by_seed(around(9.0), **own | {"architecture": "other"}, filters=4, second_filter="twin")
    rows = table(*parts, wrong, value="train_loss")
    rows.loc[rows["second_filter"] == "twin", "twins_equal"] = True
    return {"one_fewer": rows}


def same_loss(p, verdict):
    margin = MARGINS.loss
    return losses(p, {"supported": 0, "refuted": 5 * margin, "inconclusive": margin}[verdict], margin / 5)


def larger_loss(p, verdict):
    return losses(p, {"supported": 0.1, "refuted": -0.1, "inconclusive": MARGINS.loss}[verdict], 0.02)


def duplicates_do_not_last(p, verdict):
    line = p["apart"]
    end = {"supported": 3 * line, "refuted": line / 3, "inconclusive": line}[verdict]
    own = {"architecture": p["architecture"], "activation": "relu", "filters": 16}
    parts = [
        by_seed(around(distance, line / 10), **own, second_filter=second, epsilon=epsilon)
        for second, epsilon, distance in (("own", 0.0, 1.4), ("twin", 0.0, 0.0), ("twin", p["epsilon"], end))
    ]
    return {"replanted": table(*parts, value="kernel_distance").assign(train_loss=0.3)}


def removals(p, *, near=(0.0, 0.0), other=(0.0, 0.0)):
    """Two near duplicates and two other filters of each network, each with a cost of removal (mean, spread)."""
    rows = networks_of(p, activation="relu", never_active=False)
    parts = [
        rows.assign(near_duplicate=is_near, value=mean + spread * NOISE[rows["seed"]])
        for is_near, (mean, spread) in ((True, near), (False, other))
        for _ in range(2)
    ]
    parts.append(rows.assign(near_duplicate=True, never_active=True, value=-9.0))  # does not count
    rows = table(*parts, value="loss_increase")
    return rows.assign(accuracy_decrease=rows["loss_increase"], accuracy_decrease_merged=rows["loss_increase"])


def removal_costs_nothing(p, verdict):
    margin = MARGINS.accuracy
    cost = {"supported": 0, "refuted": 5 * margin, "inconclusive": margin}[verdict]
    rows = removals(p, near=(cost, margin / 5), other=(0.1, 0.0))
    not_meant = "accuracy_decrease" if p["merged"] else "accuracy_decrease_merged"
    return {"removal": rows.assign(**{not_meant: 5 * margin - rows[not_meant]})}  # what it costs in the other way


def removal_costs_less(p, verdict):
    near = {"supported": 0.1, "refuted": 0.2, "inconclusive": 0.2 - MARGINS.loss}[verdict]
    return {"removal": removals(p, near=(near, 0.002), other=(0.2, 0.001))}


def similarity_predicts_cost(p, verdict):
    line = -MARGINS.correlation
    mean = {"supported": line - 0.3, "refuted": line + 0.3, "inconclusive": line}[verdict]
    rows = networks_of(p, activation="relu")
    enough = rows.assign(value=mean + 0.05 * NOISE[rows["seed"]])
    return {"removal_correlations": table(enough, rows.assign(filters=8, value=0.9), value="rank_correlation")}


def small_weights_align(p, verdict):
    line = p["at_most"]
    fewest = {"supported": line / 2, "refuted": 2 * line, "inconclusive": line}[verdict]
    parts = [
        by_seed(around(value, 0.2), architecture=name, filters=16, scale=scale, step=step)
        for name in p["architectures"]
        for scale, values in ((1.0, (16, 16, 15)), (0.1, (16, 10, 12)), (1e-4, (16, fewest, 12)))
        for step, value in zip((0, 30, 300), values, strict=True)
    ]
    return {"condensation": table(*parts, value="directions")}
