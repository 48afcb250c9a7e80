"""Claims about pruning: synthetic tables for each verdict (test_claims asks for them), and what single claims need."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from claims_checks import CLAIMS, NOISE, SEEDS, around, by_seed, few, table, verdict_of, with_parameters

from filtertwins.settings import load_settings

FILTERS, KEPT = 32, (2, 8)
METHODS = ("random", "l1", "fpgm", "nearest_cosine", "cosine_merge", "obd", "taylor", "oracle")


# Tables that decide, for each test: from a claim's parameters and the verdict that is wanted


def pruned(p, accuracy, spread=1e-4):
    """Networks of each architecture, as pruned and fine-tuned.

    Args:
        p: the claim's parameters.
        accuracy: of (architecture, method, kept, fine_tuned) the mean on validation and on test images.
        spread: of a method's accuracy over seeds, beside the much larger one that a seed's networks share.
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
    margin, good = p["margin"], good_method(p)
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

    Args:
        p: the claim's parameters.
        ratio: of (architecture, kept, batch) the time as a share of the unpruned network's.
        dense: of an architecture the dense layer's share.
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
    deciding = {"supported": 0.5, "refuted": 1.2, "inconclusive": 1.0}[verdict]

    def ratio(name, kept, batch):
        return deciding if (name, kept, batch) == (p["architectures"][-1], 8, 1) else 0.25

    return {"pruning": smaller(p, "supported"), "cost": shapes(p, ratio)}


def pruning_improves_accuracy(p, verdict):
    """One network gains on validation images; the others lose."""
    gain = {"supported": 0.01, "refuted": -0.01, "inconclusive": 0.0}[verdict]
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
    ahead = {"supported": 0.05, "refuted": -0.05, "inconclusive": 0.0}[verdict]

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
    gap = {"supported": 0.1, "refuted": 0.5, "inconclusive": 0.3}[verdict]

    def accuracy(name, method, kept, fine_tuned):
        deciding = fine_tuned and name == p["architectures"][1]
        lowest = 0.9 - (gap if deciding else 0.1 if fine_tuned else 0.3)
        mean = {"none": 0.1, "oracle": 0.9, "random": lowest}.get(method, 0.89)
        return mean, 0.2 if fine_tuned and method == "fpgm" else mean

    return {"pruning": pruned(p, accuracy, spread=2e-3)}


def criterion_predicts_cost(p, verdict):
    line = p["more_than"]
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
    rows = pd.DataFrame(
        [
            {"architecture": name, "kept": kept, "budget": budget, "method": method, "selected": method == "obd"}
            for name in p["architectures"]
            for kept in KEPT
            for budget in ("equal_epochs", "equal_compute")
            for method in ("obd", "l1")
        ]
    ).assign(dataset="mnist", filters=FILTERS, margin=p["margin"], n=SEEDS, p_value=1e-4, p_holm=1e-3, equivalent=True)
    decides = rows["selected"] & (rows["budget"] == p["budget"])
    difference, half, p_holm = {
        "supported": (0, 2e-4, 1e-3),
        "refuted": (0.01, 5e-4, 1.0),
        "inconclusive": (3e-3, 1e-3, 0.6),
    }[verdict]
    rows["difference"] = np.where(decides, 0.0, 0.02)
    rows.loc[np.flatnonzero(decides)[-1], ["difference", "p_holm"]] = [difference, p_holm]
    rows["low"], rows["high"] = rows["difference"] - half, rows["difference"] + half
    return {"small_or_pruned": rows}


def head_takes_most(p, verdict):
    parts = {"parameters": 0.9, "multiply_accumulates": 0.9} | {p["of"]: 0.9 if verdict != "refuted" else 0.4}
    cost = shapes(p, dense=lambda name: parts["multiply_accumulates"])
    whole = cost["kept"] == FILTERS
    cost["parameters"] = cost["dense_macs"] / parts["parameters"]
    cost.loc[~whole, ["parameters", "convolution_macs"]] *= 1000  # of the pruned ones, which don't count
    return {"pruning": few(smaller({**p, "methods": ["obd"], "margin": 0.003}, "supported"), verdict), "cost": cost}


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
    margin = p["margin"]
    stray = {"supported": 0.0, "refuted": 3 * margin, "inconclusive": margin}[verdict]
    return lambda share: (
        np.where(share < p["up_to"], 0.0, stray if share == p["up_to"] else 1.0)
        + (margin / 5 * NOISE[::-1] * (share > 0))
    )


def predicted_increase_has_the_right_size(p, verdict):
    times = {"supported": 1.2, "refuted": 5.0, "inconclusive": p["factor"]}[verdict]

    def actual(share):
        return np.where(share == p["share"], 0.01 * (times + 0.5 * NOISE), 7.0) - 0.1 * NOISE

    meant, other = "predicted_increase", "predicted_increase_1990"
    if p["recursion"] == "paper":
        meant, other = other, meant
    rows = deletions(p, actual_increase=actual, **{meant: lambda share: 0.01 - 0.1 * NOISE, other: 5.0})
    return {"obd": table(rows, rows.assign(ranking="magnitude", actual_increase=9.0))}


def retraining_restores_accuracy(p, verdict):
    rows = deletions(p, test_accuracy_retrained=lambda share: 0.9 - strays(p, verdict)(share), test_accuracy=0.1)
    by_magnitude = deletions(p, "magnitude", test_accuracy_retrained=lambda share: 0.9 - (share > 0.2))
    return {"obd": table(rows, by_magnitude)}


def saliency_beats_magnitude(p, verdict):
    more = {"supported": -0.05, "refuted": 0.05, "inconclusive": 0.0}[verdict]

    def by_saliency(share):
        return 0.3 + np.where(share == p["shares"][-1], more, -0.05) + 0.02 * NOISE[::-1]

    return {"obd": table(deletions(p, actual_increase=by_saliency), deletions(p, "magnitude", actual_increase=0.3))}


BUILDERS = {
    function.__name__: function
    for function in (
        pruning_makes_smaller,
        pruning_makes_faster,
        pruning_improves_accuracy,
        method_beats_others,
        fine_tuning_shrinks_gaps,
        criterion_predicts_cost,
        small_is_as_good,
        head_takes_most,
        predicted_increase_has_the_right_size,
        retraining_restores_accuracy,
        saliency_beats_magnitude,
    )
}


def evidence_for(name, verdict="supported"):
    claim = CLAIMS.claims[name]
    return BUILDERS[claim.test](claim.parameters, verdict)


def test_margins_are_the_studys(root):
    config = yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))
    margins = load_settings(config).margins
    for claim in CLAIMS.claims.values():
        if claim.test in BUILDERS and "margin" in claim.parameters:
            assert claim.parameters["margin"] == margins.accuracy


def test_what_the_claims_ask_for_is_in_the_default_study(root):
    pruning = yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))["pruning"]
    networks, deletion = pruning["networks"], pruning["weight_deletion"]
    for claim in CLAIMS.claims.values():
        if claim.test in BUILDERS:
            p = claim.parameters
            assert set(p.get("architectures", networks)) == set(networks)
            asked = {*p.get("methods", ()), *p.get("others", ()), *[p[key] for key in ("criterion",) if key in p]}
            assert asked <= set(pruning["methods"])
            assert p.get("architecture", deletion["architecture"]) == deletion["architecture"]
            assert {*[p[key] for key in ("up_to", "share") if key in p], *p.get("shares", ())} <= set(
                deletion["shares"]
            )


# The choice of a network


def test_networks_are_chosen_on_validation_images_alone():
    tables = evidence_for("pruning_makes_it_smaller")
    finding = verdict_of("pruning_makes_it_smaller", tables)["finding"]
    assert "question 75.0 % (8 of 32 filters left, by obd)" in finding
    tables["pruning"]["validation_accuracy"] = tables["pruning"]["test_accuracy"]  # where the others are better
    finding = verdict_of("pruning_makes_it_smaller", tables)["finding"]
    assert "question 93.8 % (2 of 32 filters left, by " in finding


def test_the_smallest_network_is_chosen_even_if_it_is_better_than_the_unpruned_one():
    tables = evidence_for("pruning_makes_it_smaller")
    rows = tables["pruning"]
    for kept, gain in ((2, 0.05), (8, 0.06)):
        better = (rows["method"] == "obd") & (rows["kept"] == kept) & (rows["fine_tuning_steps"] > 0)
        unpruned = rows[(rows["method"] == "none") & (rows["fine_tuning_steps"] > 0)]
        for column in ("validation_accuracy", "test_accuracy"):
            rows.loc[better, column] = unpruned[column].to_numpy() + gain + 1e-4 * np.tile(NOISE, 3)
    row = verdict_of("pruning_makes_it_smaller", tables)
    assert row["verdict"] == "supported"
    assert row["effect"] == pytest.approx(0.05, abs=1e-6)


CHOOSING = ("pruning_makes_smaller", "pruning_makes_faster", "pruning_improves_accuracy")


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS.claims.values() if claim.test in CHOOSING])
def test_removing_random_filters_is_no_choice_and_merging_has_claims_of_its_own(claim):
    methods = set(claim.parameters["methods"])
    assert methods == ({"cosine_merge"} if "Merging" in claim.statement else set(METHODS) - {"cosine_merge", "random"})


def test_only_the_methods_of_a_claim_can_be_chosen():
    tables = evidence_for("pruning_makes_it_smaller")
    assert "8 of 32 filters left, by obd" in verdict_of("pruning_makes_it_smaller", tables)["finding"]
    merged = verdict_of("merging_makes_it_smaller", tables)  # better on validation images, and much worse on the others
    assert "question 93.8 % (2 of 32 filters left, by cosine_merge)" in merged["finding"]
    assert merged["verdict"] == "refuted"
    rows = tables["pruning"]
    row = verdict_of("merging_makes_it_smaller", tables | {"pruning": rows[rows["method"] != "cosine_merge"]})
    assert row["finding"].startswith("Not measured: question was not pruned by cosine_merge")


def test_a_size_of_which_validation_images_cannot_tell_is_not_chosen():
    tables = evidence_for("pruning_makes_it_smaller")
    rows = tables["pruning"]
    unclear = (rows["method"] == "obd") & (rows["kept"] == 2) & (rows["fine_tuning_steps"] > 0)
    rows.loc[unclear, "validation_accuracy"] = 0.92 + 0.01 * np.tile(NOISE[::-1], 3)
    assert "8 of 32 filters left" in verdict_of("pruning_makes_it_smaller", tables)["finding"]


def test_where_no_size_is_good_enough_the_best_one_is_judged():
    tables = evidence_for("pruning_makes_it_smaller")
    rows = tables["pruning"]
    rows.loc[(rows["method"] == "obd") & (rows["fine_tuning_steps"] > 0), ["validation_accuracy", "test_accuracy"]] -= (
        0.01
    )
    row = verdict_of("pruning_makes_it_smaller", tables)
    assert row["verdict"] == "refuted"
    assert "question 75.0 % (8 of 32 filters left, by obd)" in row["finding"]
    assert row["effect"] == pytest.approx(-0.01, abs=1e-3)


def test_pruned_networks_are_held_against_the_unpruned_one_that_was_trained_on():
    tables = evidence_for("pruning_makes_it_smaller")
    rows = tables["pruning"]
    rows.loc[(rows["method"] == "none") & (rows["fine_tuning_steps"] > 0), "test_accuracy"] += 0.02
    assert verdict_of("pruning_makes_it_smaller", tables)["verdict"] == "refuted"
    without = rows[(rows["method"] != "none") | (rows["fine_tuning_steps"] == 0)]
    finding = verdict_of("pruning_makes_it_smaller", tables | {"pruning": without})["finding"]
    assert finding.startswith("Not measured: nothing with method none")


def test_an_improvement_is_that_of_the_network_that_gains_most_on_validation_images():
    row = verdict_of("pruning_improves_accuracy", evidence_for("pruning_improves_accuracy"))
    assert row["finding"] == (
        "Yes, by 1.00 points on the test images, more than the 0.30 points that this study takes to matter, for the"
        " network that gains most on the validation images of the other seeds (for 10 of 10 seeds relu_5x5 with 8 of 32"
        " filters left, by obd)."
    )


def test_an_improvement_too_small_to_matter_is_called_so():
    tables = evidence_for("pruning_improves_accuracy")
    rows = tables["pruning"]
    rows.loc[rows["method"] == "obd", "test_accuracy"] -= 0.008
    row = verdict_of("pruning_improves_accuracy", tables)
    assert row["verdict"] == "supported"
    assert row["finding"].startswith(
        "Yes, by 0.20 points on the test images, less than the 0.30 points that this study"
    )


def test_no_seed_has_a_say_in_the_choice_that_it_is_tested_on():
    tables = evidence_for("pruning_improves_accuracy")
    rows = tables["pruning"]
    lucky = (rows["architecture"] == "question") & (rows["method"] == "l1") & (rows["kept"] == 2)
    lucky &= rows["fine_tuning_steps"] > 0
    unpruned = rows[(rows["method"] == "none") & (rows["fine_tuning_steps"] > 0) & (rows["architecture"] == "question")]
    gain = np.where(np.arange(SEEDS) == 3, 0.58, -0.02)  # the best mean, 0.04, if the lucky seed has a say
    obd = rows[(rows["architecture"] == "relu_5x5") & (rows["method"] == "obd") & (rows["kept"] == 8)]
    obd_gain = obd[obd["fine_tuning_steps"] > 0]["test_accuracy"].to_numpy() - unpruned["test_accuracy"].to_numpy()
    for column in ("validation_accuracy", "test_accuracy"):
        rows.loc[lucky, column] = unpruned[column].to_numpy() + gain
    row = verdict_of("pruning_improves_accuracy", tables)
    assert row["effect"] == pytest.approx(np.where(np.arange(SEEDS) == 3, obd_gain, gain).mean())
    assert row["verdict"] == "refuted"
    assert "(for 9 of 10 seeds question with 2 of 32 filters left, by l1)" in row["finding"]


def test_of_a_single_seed_nothing_can_be_chosen():
    rows = evidence_for("pruning_improves_accuracy")["pruning"]
    row = verdict_of("pruning_improves_accuracy", {"pruning": rows[rows["seed"] == 0]})
    assert row["finding"] == "Not measured: no second seed to choose a network on in pruning.csv."


def test_extra_training_alone_is_no_improvement():
    tables = evidence_for("pruning_improves_on_the_network_as_it_was")  # 0.91, which was 0.90, and trained on is 0.93
    assert verdict_of("pruning_improves_on_the_network_as_it_was", tables)["verdict"] == "supported"
    rows = tables["pruning"]
    rows = rows[(rows["method"] == "none") | (rows["method"] == "obd") & (rows["kept"] == 8)]
    rows = rows[rows["architecture"] == "relu_5x5"]
    claim = with_parameters("pruning_improves_accuracy", architectures=["relu_5x5"])
    row = verdict_of(claim, {"pruning": rows})
    assert row["verdict"] == "refuted"
    assert row["effect"] == pytest.approx(-0.02, abs=1e-3)


# Time


def test_where_smaller_is_not_faster_is_named():
    row = verdict_of("pruning_makes_it_faster", evidence_for("pruning_makes_it_faster", "refuted"))
    assert (
        "smaller is not faster for relu_5x5, 1 image at a time (1.20). It is for question, 1 image at" in row["finding"]
    )
    assert "relu_5x5, 256 images at a time (0.25)." in row["finding"]
    assert (row["unit"], row["n"]) == ("ratio", SEEDS)


@pytest.mark.parametrize("verdict", ["supported", "refuted", "inconclusive"])
def test_one_run_on_one_machine_has_an_interval_and_no_p_value(verdict):
    row = verdict_of("pruning_makes_it_faster", evidence_for("pruning_makes_it_faster", verdict))
    assert np.isnan(row["p_value"])
    assert row["low"] < row["effect"] < row["high"]
    assert "in one run, on one thread of one machine" in row["finding"]


def test_times_are_compared_round_by_round():
    tables = evidence_for("pruning_makes_it_faster")
    rows = tables["cost"]
    rows["latency_s"] *= 100.0 ** (rows["round"] % 3)  # hides any difference that is not taken round by round
    assert verdict_of("pruning_makes_it_faster", tables)["verdict"] == "supported"


def test_few_rounds_or_few_seeds_give_no_verdict_on_time():
    tables = evidence_for("pruning_makes_it_faster")
    rounds = tables["cost"][tables["cost"]["round"] < 4]
    seeds = tables["pruning"][tables["pruning"]["seed"] < 3]
    for changed, n in (({"cost": rounds}, 4), ({"pruning": seeds}, 3)):
        row = verdict_of("pruning_makes_it_faster", tables | changed)
        assert (row["verdict"], row["n"]) == ("inconclusive", n)


# Methods against each other


def test_merging_is_held_against_the_best_criterion_at_each_number_of_filters():
    tables = evidence_for("merging_beats_deleting")
    rows = tables["pruning"]
    rival = (rows["method"] == "fpgm") & (rows["kept"] == 8) & (rows["fine_tuning_steps"] == 0)
    rows.loc[rival, ["validation_accuracy", "test_accuracy"]] = 0.99
    row = verdict_of("merging_beats_deleting", tables)
    assert row["verdict"] == "refuted"  # 5 points ahead with 2 filters, 14 behind with 8
    assert "Merging is ahead at 3 of 6 numbers of filters." in row["finding"]
    assert "relu_3x1: -4.50 points (ahead at 1 of 2) and relu_5x5" in row["finding"]
    assert row["finding"].endswith("The best criteria are fpgm and random.")


def test_a_method_that_was_not_tried_leaves_the_claim_open_and_is_named():
    tables = evidence_for("merging_beats_deleting")
    rows = tables["pruning"]
    row = verdict_of("merging_beats_deleting", {"pruning": rows[~rows["method"].isin(["taylor", "obd"])]})
    assert row["finding"] == "Not measured: question was not pruned by obd and taylor in pruning.csv."


def test_the_best_and_the_worst_way_to_prune_are_chosen_on_validation_images():
    tables = evidence_for("fine_tuning_shrinks_gaps")
    row = verdict_of("fine_tuning_shrinks_gaps", tables)
    assert row["finding"].startswith("It does. From the worst to the best: question from 30.00 points to 10.00 points")
    rows = tables["pruning"]
    rows.loc[rows["method"] == "fpgm", "validation_accuracy"] = 0.0
    assert verdict_of("fine_tuning_shrinks_gaps", tables)["verdict"] == "refuted"


def test_pairs_of_criteria_count_in_either_order():
    rows = evidence_for("nearest_cosine_order_predicts_cost")["criteria"]
    swapped = rows.rename(columns={"criterion": "other", "other": "criterion"})
    first, second = (verdict_of("nearest_cosine_order_predicts_cost", {"criteria": x}) for x in (rows, swapped))
    pd.testing.assert_series_equal(first, second)


def test_networks_whose_rank_correlation_is_missing_are_left_out():
    rows = evidence_for("nearest_cosine_order_predicts_cost")["criteria"]
    rows.loc[rows["seed"] < 2, "rank_correlation"] = np.nan
    row = verdict_of("nearest_cosine_order_predicts_cost", {"criteria": rows})
    assert (row["verdict"], row["n"]) == ("supported", SEEDS - 2)


# Small or pruned


def test_sizes_at_which_small_and_pruned_differ_are_named():
    row = verdict_of("small_is_as_good_at_equal_epochs", evidence_for("small_is_as_good_at_equal_epochs", "refuted"))
    assert "shown for 5 of 6 kinds and sizes" in row["finding"]
    assert row["finding"].endswith("the pruned one is better for relu_5x5 with 8 filters (1.00 points).")


def test_a_small_network_may_be_better_than_the_pruned_one():
    tables = evidence_for("small_is_as_good_at_equal_epochs")
    rows = tables["small_or_pruned"]
    rows.loc[rows["kept"] == 2, ["difference", "low", "high"]] -= 0.05
    row = verdict_of("small_is_as_good_at_equal_epochs", tables)
    assert row["verdict"] == "supported"
    assert "shown for 6 of 6 kinds and sizes of network. By the intervals it is better in 3 of them" in row["finding"]


def test_which_one_is_better_is_said_by_the_intervals():
    tables = evidence_for("small_is_as_good_at_equal_epochs", "inconclusive")
    rows = tables["small_or_pruned"]
    decides = rows.index[rows["selected"] & (rows["budget"] == "equal_epochs")]
    for place, middle, half in (
        (0, -0.002, 0.001),  # the small one is better
        (1, -0.002, 0.003),  # it may be
        (2, 0.002, 0.0005),  # the pruned one is, by less than the margin
        (3, 0.003, 0.004),  # it may be, by more
    ):
        rows.loc[decides[place], ["difference", "low", "high"]] = [middle, middle - half, middle + half]
    row = verdict_of("small_is_as_good_at_equal_epochs", tables)
    assert row["verdict"] == "inconclusive"
    assert "it is shown for 4 of 6 kinds" in row["finding"]
    assert "the small one is better in 1 of them" in row["finding"]
    assert row["finding"].endswith("the pruned one is better for relu_5x5 with 8 filters (0.30 points).")


def test_one_of_many_sizes_fails_at_a_stricter_level():
    tables = evidence_for("small_is_as_good_at_equal_epochs")
    rows = tables["small_or_pruned"]
    last = rows.index[rows["selected"] & (rows["budget"] == "equal_epochs")][-1]
    rows.loc[last, ["difference", "low", "high"]] = [0.0009, -0.0011, 0.0029]  # holding is at the level itself
    assert verdict_of("small_is_as_good_at_equal_epochs", tables)["verdict"] == "supported"
    for low, verdict in ((0.0031, "inconclusive"), (0.0045, "refuted")):  # the wider one begins 0.0012 lower
        rows.loc[last, ["difference", "low", "high"]] = [low + 0.002, low, low + 0.004]
        assert verdict_of("small_is_as_good_at_equal_epochs", tables)["verdict"] == verdict


def test_both_budgets_have_a_headline():
    for budget in ("epochs", "compute"):
        assert CLAIMS.claims[f"small_is_as_good_at_equal_{budget}"].headline


def test_a_table_of_another_margin_is_not_taken():
    tables = evidence_for("small_is_as_good_at_equal_epochs")
    tables["small_or_pruned"]["margin"] = 0.01
    finding = verdict_of("small_is_as_good_at_equal_epochs", tables)["finding"]
    assert "tested with a margin of 0.01, the claim says 0.003" in finding


# Single weights


def test_shares_may_differ_by_rounding_and_must_be_there():
    rows = evidence_for("prediction_is_good")["obd"]
    rounded = rows.assign(share=rows["share"] * (1 + 1e-12))
    assert verdict_of("prediction_is_good", {"obd": rounded})["verdict"] == "supported"
    row = verdict_of("prediction_is_good", {"obd": rows[rows["share"] < 0.3]})
    assert row["finding"] == "Not measured: nothing with 30 % deleted in obd.csv."


def test_the_reach_ends_where_the_mean_first_leaves_the_margin():
    rows = evidence_for("retraining_restores_accuracy")["obd"]
    assert (
        "on average so for up to 60.0 % of the weights, and for up to 20.0 % if the smallest"
        in verdict_of("retraining_restores_accuracy", {"obd": rows})["finding"]
    )
    rows.loc[(rows["share"] == 0.2) & (rows["ranking"] == "obd"), "test_accuracy_retrained"] -= 0.1
    row = verdict_of("retraining_restores_accuracy", {"obd": rows})
    assert row["finding"].startswith(
        "It is not: it changes by -10.00 points (20 % deleted). It stays within 0.30 points"
    )
    assert "for up to 10.0 % of the weights" in row["finding"]
    nothing = rows[rows["share"] > 0]
    finding = verdict_of("retraining_restores_accuracy", {"obd": nothing})["finding"]
    assert "no network of relu_5x5 retrained without a deletion" in finding


def test_networks_without_a_deletion_are_no_part_of_the_claim():
    claim = CLAIMS.claims["retraining_restores_accuracy"]
    sentences = claim.answers.model_copy(update={"supported": "{parts} shares"})
    row = verdict_of(claim.model_copy(update={"answers": sentences}), evidence_for("retraining_restores_accuracy"))
    assert row["finding"] == "4 shares"


@pytest.mark.parametrize("name", ["prediction_is_good", "prediction_of_the_paper_is_good"])
def test_predicting_next_to_nothing_is_no_good_prediction(name):
    rows = evidence_for(name)["obd"]
    for column in ("predicted_increase", "predicted_increase_1990"):
        rows[column] = 1e-4 + 1e-5 * np.resize(NOISE, len(rows))
    rows["actual_increase"] = 1.3e-3 + 1e-4 * np.resize(NOISE, len(rows))  # not 0.005 nats away
    row = verdict_of(name, {"obd": rows})
    assert row["verdict"] == "refuted"
    assert "0.0001 nats predicted, 0.0013 nats measured, on average over seeds 13." in row["finding"]
