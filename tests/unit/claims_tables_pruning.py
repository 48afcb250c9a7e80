"""Tables on which a claim gets the verdict that is wanted, for each test of claims about pruning."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from claims_checks import MARGINS, NOISE, SEEDS, around, by_seed, few, table

FILTERS, KEPT = 32, (2, 8)
METHODS = ("random", "l1", "fpgm", "nearest_cosine", "cosine_merge", "obd", "taylor", "oracle")


def pruned(p, accuracy, spread=1e-4):
    """Networks of each architecture, as pruned and fine-tuned.

    ``accuracy(architecture, method, kept, fine_tuned)`` is the mean on validation and on test images. A method's
    accuracies have a ``spread`` of their own, beside the much larger one that a seed's networks share.
    """
    parts = []
    for name in p["architectures"]:
        for fine_tuned in (False, True):
            for place, (method, kept) in enumerate([("none", FILTERS), *((m, k) for m in METHODS for k in KEPT)]):
                on_validation, on_test = accuracy(name, method, kept, fine_tuned)
                own = 0.01 * NOISE + spread * np.random.default_rng([fine_tuned, place]).permutation(NOISE)
                rows = by_seed(on_test + own, architecture=name, filters=FILTERS, method=method, kept=kept)
                parts.append(rows.assign(validation_accuracy=on_validation + own, fine_tuning_steps=200 * fine_tuned))
    return table(*parts, value="test_accuracy")


def good_method(p):
    """The one of the claim's methods that is good for something."""
    return "obd" if "obd" in p["methods"] else p["methods"][0]


def smaller(p, verdict):
    """Two filters are too few, eight do by one method; what it costs in the second architecture decides."""
    margin, good = MARGINS.accuracy, good_method(p)
    loss = {"supported": 0, "refuted": 3 * margin, "inconclusive": margin}[verdict]

    def accuracy(name, method, kept, fine_tuned):
        if not fine_tuned:
            return (0.9, 0.9) if method == "none" else (0.5, 0.5)
        if method == "none":
            return 0.92, 0.92
        if method not in p["methods"]:
            return 0.95, 0.5  # it would be chosen, and would lose
        if (method, kept) == (good, 8):
            return 0.92, 0.92 - loss * (name == p["architectures"][1])
        return 0.88, 0.99  # better on the test split, which has no say

    return pruned(p, accuracy, spread=margin / 10)


def shapes(p, ratio=lambda name, kept, batch: kept / FILTERS, dense=lambda name: 0.9):
    """Networks of each size, ten rounds each.

    ``ratio(architecture, kept, batch)`` is the time as a share of the unpruned network's, ``dense(architecture)`` the
    dense layer's share.
    """
    rows = [
        {"dataset": "mnist", "architecture": name, "filters": FILTERS, "kept": kept, "batch": batch, "round": index}
        | {"latency_s": (1 + index) * (1.0 if kept == FILTERS else ratio(name, kept, batch) + 0.02 * NOISE[index])}
        | {"parameters": 1000 * kept, "dense_macs": 1000 * kept * dense(name)}
        | {"convolution_macs": 1000 * kept * (1 - dense(name))}
        for name in p["architectures"]
        for kept in (*KEPT, FILTERS)
        for batch in (1, 256)
        for index in range(SEEDS)
    ]
    return pd.DataFrame(rows)


def pruning_makes_smaller(p, verdict):
    return {"pruning": smaller(p, verdict), "cost": shapes(p)}


def pruning_makes_faster(p, verdict):
    deciding = {"supported": 0.5, "refuted": 1.2, "inconclusive": 1 / MARGINS.ratio}[verdict]

    def ratio(name, kept, batch):
        return deciding if (name, kept, batch) == (p["architectures"][-1], 8, 1) else 0.25

    return {"pruning": smaller(p, "supported"), "cost": shapes(p, ratio)}


def pruning_improves_accuracy(p, verdict):
    """One network gains on validation images; the others lose."""
    gain = {"supported": 0.01, "refuted": -0.01, "inconclusive": MARGINS.accuracy}[verdict]
    unpruned = {False: 0.90, True: 0.93}

    def accuracy(name, method, kept, fine_tuned):
        whole = unpruned[fine_tuned]
        if method == "none":
            return whole, whole
        if method not in p["methods"]:
            return whole + 0.05, whole - 0.05  # it would be chosen, and would lose
        if (name, method, kept) == (p["architectures"][-1], good_method(p), 8):
            return unpruned[p["trained_on"]] + 0.02, unpruned[p["trained_on"]] + gain
        return whole - 0.1, whole + 0.05  # better on the test split, which has no say

    return {"pruning": pruned(p, accuracy, spread=2e-3)}


def method_beats_others(p, verdict):
    ahead = {"supported": 0.05, "refuted": -0.05, "inconclusive": MARGINS.accuracy}[verdict]

    def accuracy(name, method, kept, fine_tuned):
        if fine_tuned != p["fine_tuned"]:
            return 0.5, 0.5
        if method == p["methods"][0]:
            deciding = name == p["architectures"][1]
            return 0.8, 0.8 + (ahead if deciding else 0.05)
        if method == p["others"][0]:
            return 0.8, 0.8
        return 0.7, 0.99 if method == p["others"][-1] else 0.1  # not the best on validation images

    return {"pruning": pruned(p, accuracy, spread=2e-3)}


def fine_tuning_shrinks_gaps(p, verdict):
    """From oracle down to chance; another method is the worst on test images once it is fine-tuned, with no say."""
    gap = {"supported": 0.1, "refuted": 0.5, "inconclusive": 0.3 - MARGINS.accuracy}[verdict]

    def accuracy(name, method, kept, fine_tuned):
        deciding = fine_tuned and name == p["architectures"][1]
        lowest = 0.9 - (gap if deciding else 0.1 if fine_tuned else 0.3)
        mean = {"none": 0.1, "oracle": 0.9, "random": lowest}.get(method, 0.89)
        return mean, 0.2 if fine_tuned and method == "fpgm" else mean

    return {"pruning": pruned(p, accuracy, spread=2e-3)}


def criterion_predicts_cost(p, verdict):
    line = MARGINS.correlation
    deciding = {"supported": (1 + line) / 2, "refuted": line - 0.3, "inconclusive": line}[verdict]
    parts = []
    for name in p["architectures"]:
        own = {"architecture": name, "filters": FILTERS}
        mean = deciding if name == p["architectures"][1] else (1 + line) / 2
        parts.append(by_seed(around(mean, 0.05), criterion=p["criterion"], other="oracle", **own))
        parts.append(by_seed(around(-1.0), criterion=p["criterion"], other="taylor", **own))
        parts.append(by_seed(around(-1.0), criterion="taylor", other="oracle", **own))
    return {"criteria": table(*parts, value="rank_correlation")}


def small_is_as_good(p, verdict):
    """One selected size decides; what other sizes, methods and budgets do has no say."""
    sizes = [(name, kept) for name, counts in p["kept"].items() for kept in (*counts, 2)]
    keys = [
        (*size, budget, method)
        for size, budget in product(sizes, ("equal_epochs", "equal_compute", "matched_convergence"))
        for method in ("selected", "l1")
    ]
    rows = pd.DataFrame(keys, columns=["architecture", "kept", "budget", "method"])
    rows = rows.assign(dataset="mnist", filters=FILTERS, margin=MARGINS.accuracy, n=SEEDS)
    rows = rows.assign(small_steps=2400, fine_tuning_steps=1400)
    decides = (rows["method"] == "selected") & (rows["budget"] == p["budget"]) & (rows["kept"] > 2)
    rows["difference"] = np.where(decides, 0.0, 0.02)
    rows["no_worse"] = decides.astype("boolean")
    last = np.flatnonzero(decides)[-1]
    half = np.full(len(rows), 5e-4)
    if verdict != "supported":
        rows.loc[last, ["difference", "no_worse"]] = [0.01, False]
        half[last] = 0.001 if verdict == "refuted" else 0.02
    rows["low"], rows["high"] = rows["difference"] - half, rows["difference"] + half
    return {"small_or_pruned": rows}


def head_takes_most(p, verdict):
    parts = {"parameters": 0.9, "multiply_accumulates": 0.9} | {p["of"]: 0.9 if verdict != "refuted" else 0.4}
    cost = shapes(p, dense=lambda name: parts["multiply_accumulates"])
    whole = cost["kept"] == FILTERS
    cost["parameters"] = cost["dense_macs"] / parts["parameters"]
    cost.loc[~whole, ["parameters", "convolution_macs"]] *= 1000  # of the pruned ones, which don't count
    return {"pruning": few(smaller({**p, "methods": ["obd"]}, "supported"), verdict), "cost": cost}


def deletions(p, ranking="obd", **columns):
    """Networks with 0 to 90 % of the weights deleted; columns are functions of the share, or numbers."""
    parts = []
    for share in (0.0, 0.1, 0.2, 0.3, 0.6, 0.9):
        rows = by_seed(np.zeros(SEEDS), architecture=p["architecture"], filters=4, ranking=ranking, share=share)
        values = {name: 0.1 * NOISE + (value(share) if callable(value) else value) for name, value in columns.items()}
        parts.append(rows.drop(columns="value").assign(**values))
    return table(*parts)


def strays(p, verdict):
    """Of the share that a claim goes up to, by how much a mean strays; beyond, by more than any margin."""
    margin = MARGINS.accuracy
    stray = {"supported": 0.0, "refuted": 3 * margin, "inconclusive": margin}[verdict]
    return lambda share: (
        np.where(share < p["up_to"], 0.0, stray if share == p["up_to"] else 1.0)
        + (margin / 5 * NOISE[::-1] * (share > 0))
    )


def predicted_increase_has_the_right_size(p, verdict):
    times = {"supported": 1.2, "refuted": 5.0, "inconclusive": p["factor"]}[verdict]

    def actual(share):
        return np.where(share == p["share"], 0.01 * (times + 0.5 * NOISE), 7.0) - 0.1 * NOISE

    others = {"gradient_increase": 5.0, "quadratic_increase": 5.0}
    rows = deletions(p, actual_increase=actual, predicted_increase=lambda share: 0.01 - 0.1 * NOISE, **others)
    return {"obd": table(rows, rows.assign(ranking="magnitude", actual_increase=9.0))}


def retraining_restores_accuracy(p, verdict):
    rows = deletions(p, test_accuracy_retrained=lambda share: 0.9 - strays(p, verdict)(share), test_accuracy=0.1)
    by_magnitude = deletions(p, "magnitude", test_accuracy_retrained=lambda share: 0.9 - (share > 0.2))
    return {"obd": table(rows, by_magnitude)}


def saliency_beats_magnitude(p, verdict):
    more = {"supported": -0.05, "refuted": 0.05, "inconclusive": -MARGINS.loss}[verdict]

    def by_saliency(share):
        return 0.3 + np.where(share == p["shares"][-1], more, -0.05) + 0.02 * NOISE[::-1]

    return {"obd": table(deletions(p, actual_increase=by_saliency), deletions(p, "magnitude", actual_increase=0.3))}
