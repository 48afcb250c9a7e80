"""Claims: each of config/claims.yaml reaches every verdict, and nothing that is missing makes it crash or decide."""

from __future__ import annotations

import contextlib
import copy
import re

import numpy as np
import pandas as pd
import pytest
import test_claims_pruning
import yaml
from claims_checks import CLAIMS, NOISE, PLAIN, SEEDS, around, by_seed, few, table, verdict_of, with_parameters
from scipy import stats

from filtertwins.claims import VERDICTS, ClaimsError, check_claims, in_words, load_claims, read_claims, tables_needed
from filtertwins.claims.evidence import TESTS
from filtertwins.claims.judging import (
    Part,
    above,
    combine,
    direction_parts,
    equivalence_parts,
    listed,
    range_parts,
    share_part,
    within,
)
from filtertwins.files import read_csv, write_csv
from filtertwins.measures.statistics import paired_equivalence
from filtertwins.settings import load_settings

# Tables that decide, for each test: from a claim's parameters and the verdict that is wanted


def accuracy_in_range(p, verdict):
    first = {"supported": around(0.925), "refuted": around(p["lowest"] - 0.01), "inconclusive": around(p["lowest"])}
    means = [first[verdict]] + [around((p["lowest"] + p["highest"]) / 2)] * (len(p["filters"]) - 1)
    parts = [
        by_seed(mean, architecture=p["architecture"], filters=k) for k, mean in zip(p["filters"], means, strict=True)
    ]
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
    rows["exact_duplicate_pairs"] = rows["close_duplicate_pairs"] = 0
    if verdict == "supported":
        rows.loc[:20, "exact_duplicate_pairs"] = 2
    # Neither initial kernels nor single filters count.
    other = rows.assign(stage="initial", exact_duplicate_pairs=1)
    single = rows.assign(live_filters=1, exact_duplicate_pairs=1)
    return {"redundancy": table(rows, other, single)}


def near_duplicates_occur(p, verdict):
    having = {"supported": SEEDS, "refuted": 1, "inconclusive": SEEDS // 2}[verdict]
    rows = by_seed(
        np.where(np.arange(SEEDS) < having, 3, 0),
        architecture=p["architecture"],
        filters=p["filters"],
        stage="trained",
        threshold=p["threshold"],
    )
    elsewhere = [rows.assign(stage="initial"), rows.assign(threshold=0.5), rows.assign(filters=4)]
    return {
        "near_duplicates": table(rows, *(other.assign(value=3 - other["value"]) for other in elsewhere), value="pairs")
    }


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


def training_moves_filters_apart(p, verdict):
    parts = []
    for index, name in enumerate(p["architectures"]):
        change = -0.1
        if index == 1:  # one part is enough to refute, and not enough to support
            change = {"supported": -0.1, "refuted": 0.1, "inconclusive": 0.0}[verdict]
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
    own = {"second_filter": p["second_filter"], "activation": p["activation"], "optimizer": "adam"}
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
    """Networks of 3 and 4 filters; the first kind's loss differs from the second's."""
    own = {"architecture": p["architecture"], "activation": "relu", "twins_equal": None}
    parts = []
    for filters in (3, 4):
        base = around(0.3, 0.01)
        parts.append(by_seed(base, **own, filters=filters, second_filter=p["second"]))
        noise = spread * NOISE[::-1]
        parts.append(by_seed(base + difference + noise, **own, filters=filters, second_filter=p["first"]))
    wrong = by_seed(around(9.0), **own | {"architecture": "other"}, filters=3, second_filter=p["first"])
    rows = table(*parts, wrong, value="train_loss")
    rows.loc[rows["second_filter"] == "twin", "twins_equal"] = True
    return {"one_fewer": rows}


def same_loss(p, verdict):
    margin = p["margin"]
    return losses(p, {"supported": 0, "refuted": 5 * margin, "inconclusive": margin}[verdict], margin / 5)


def larger_loss(p, verdict):
    return losses(p, {"supported": 0.1, "refuted": -0.1, "inconclusive": 0.0}[verdict], 0.02)


def removals(*, near=(0.0, 0.0), other=(0.0, 0.0), trend=0.0):
    """Twenty filters of a network: ten near duplicates, ten others, each with a cost of removal (mean, spread)."""
    rows = []
    for seed in range(SEEDS):
        for index in range(20):
            is_near = index % 2 == 0
            mean, spread = near if is_near else other
            cosine = 0.95 + 0.002 * index if is_near else 0.5 + 0.01 * index
            cost = mean + spread * NOISE[seed] + trend * cosine
            rows.append(
                {"filter": index, "seed": seed, "nearest_cosine": cosine, "near_duplicate": is_near} | {"cost": cost}
            )
    frame = pd.DataFrame(rows).assign(dataset="mnist", architecture="relu_5x5", activation="relu")
    frame = frame.assign(filters=20, never_active=False)
    costs = ["loss_increase", "accuracy_decrease", "accuracy_decrease_merged"]
    frame = frame.assign(**dict.fromkeys(costs, frame["cost"]))
    # Filters that never fire cost nothing, whatever they resemble.
    dead = frame[frame["filter"] < 2].assign(never_active=True, **dict.fromkeys(costs, -9.0))
    return pd.concat([frame, dead], ignore_index=True).drop(columns="cost")


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
    rows = removals(trend={"supported": -1.0, "refuted": 1.0, "inconclusive": -1.0}[verdict])
    if verdict == "inconclusive":  # as many networks with one answer as with the other
        rows.loc[rows["seed"] % 2 == 0, "loss_increase"] *= -1
        rows.loc[rows["seed"] == 0, "loss_increase"] *= -1
    return {"removal": rows}


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


BUILDERS = test_claims_pruning.BUILDERS | {
    function.__name__: function
    for function in (
        accuracy_in_range,
        equal_accuracy,
        logits_change_when_merged,
        exact_duplicates_occur,
        near_duplicates_occur,
        more_near_duplicates_than_chance,
        more_alike_than_chance,
        as_alike_as_chance,
        training_moves_filters_apart,
        twins_stay_equal,
        twins_separate,
        same_loss,
        larger_loss,
        removal_costs_nothing,
        removal_costs_less,
        similarity_predicts_cost,
        small_weights_align,
    )
}
# What is exact is never unclear; it is inconclusive when there are too few seeds.
EXACT = {"logits_change_when_merged", "twins_stay_equal", "twins_separate", "head_takes_most"}


def evidence_for(claim, verdict):
    """Tables from which a claim of the YAML gets a verdict."""
    return BUILDERS[claim.test](claim.parameters, verdict)


# Every claim, every verdict


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("name", CLAIMS.claims)
def test_each_claim_reaches_each_verdict(name, verdict, tmp_path):
    tables = {}
    for table_name, rows in evidence_for(CLAIMS.claims[name], verdict).items():
        write_csv(rows, tmp_path / f"{table_name}.csv")  # as a study does
        tables[table_name] = read_csv(tmp_path / f"{table_name}.csv")
    row = verdict_of(name, tables)
    assert row["verdict"] == verdict, row["finding"]
    assert "Not measured" not in row["finding"]
    assert "unknown" not in row["finding"]
    assert not re.search(r"[{}]|nan", row["finding"])
    assert ("Too few seeds" in row["finding"]) == (verdict == "inconclusive" and CLAIMS.claims[name].test in EXACT)
    assert row["low"] <= row["effect"] <= row["high"]


def test_every_test_has_its_tables_here():
    """So that a new test comes with tables for each verdict: the tests above then find its claims."""
    assert set(BUILDERS) == set(TESTS)
    assert {claim.test for claim in CLAIMS.claims.values()} == set(TESTS), "a test that no claim uses"


@pytest.mark.parametrize("name", CLAIMS.claims)
def test_every_sentence_has_the_numbers_that_its_test_declares(name):
    claim = CLAIMS.claims[name]
    test = TESTS[claim.test]
    everything = " ".join(f"{{{number}}}" for number in test.numbers)
    answers = claim.answers.model_copy(update=dict.fromkeys(VERDICTS, everything))
    tables = evidence_for(claim, "supported")
    finding = verdict_of(claim.model_copy(update={"answers": answers}), tables)["finding"]
    assert "unknown" not in finding


def test_the_claims_of_the_yaml_are_the_questions_the_answers_and_ours():
    by = pd.Series([claim.said_by for claim in CLAIMS.claims.values()]).value_counts()
    assert set(by.index) == {"question", "answer", "ours"}
    assert sum(claim.headline is not None for claim in CLAIMS.claims.values()) >= 6


def test_margins_are_the_studys(root):
    """One margin for the tables and the claims about them: both were decided before the run."""
    config = yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))
    margins = load_settings(config).margins
    for claim in CLAIMS.claims.values():
        expected = {"equal_accuracy": margins.accuracy, "same_loss": margins.loss}
        if claim.test in expected:
            assert claim.parameters["margin"] == expected[claim.test]


# What is missing decides nothing


def test_a_study_without_tables_leaves_every_claim_open():
    table = check_claims(CLAIMS, {})
    assert list(table["claim"]) == list(CLAIMS.claims)
    assert set(table["verdict"]) == {"inconclusive"}
    assert table["finding"].str.startswith("Not measured: this study has no ").all()
    assert (table["n"] == 0).all()


@pytest.mark.parametrize("name", CLAIMS.claims)
def test_a_missing_condition_leaves_a_claim_open_and_is_named(name):
    rows_of = evidence_for(CLAIMS.claims[name], "supported")
    replaced = {"architecture": "other", "stage": "initial", "activation": "sigmoid", "never_active": True}
    if CLAIMS.claims[name].test == "small_weights_align":
        replaced = {"scale": 1.0}
        rows_of = {key: rows[rows["scale"] == 1.0] for key, rows in rows_of.items()}
    if CLAIMS.claims[name].test == "similarity_predicts_cost":
        replaced = {"filters": 8}
    if CLAIMS.claims[name].test == "twins_stay_equal":
        replaced = {"second_filter": "own"}
    for key, rows in rows_of.items():
        changes = {column: value for column, value in replaced.items() if column in rows}
        row = verdict_of(name, rows_of | {key: rows.assign(**changes)})
        assert row["verdict"] == "inconclusive"
        assert row["finding"].startswith("Not measured: "), row["finding"]
        assert f"{key}.csv" in row["finding"]


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("name", CLAIMS.claims)
def test_two_seeds_never_give_a_verdict(name, verdict):
    tables = evidence_for(CLAIMS.claims[name], verdict)
    for key, rows in tables.items():
        tables[key] = rows[rows["seed"] < 2] if "seed" in rows else rows.assign(n=2)
    row = verdict_of(name, tables)
    assert row["verdict"] == "inconclusive"
    assert row["finding"] == "Too few seeds for a verdict: 2, where 5 are needed."
    assert row["n"] == 2


def test_a_claim_about_one_dataset_is_not_judged_on_another():
    name = next(name for name, claim in CLAIMS.claims.items() if claim.dataset == "mnist")
    tables = {
        key: rows.assign(dataset="digits") for key, rows in evidence_for(CLAIMS.claims[name], "supported").items()
    }
    row = verdict_of(name, tables)
    assert (row["dataset"], row["verdict"]) == ("digits", "inconclusive")
    assert "it is about mnist, and this study is on digits" in row["finding"]


def test_tables_of_two_datasets_are_refused():
    rows = pd.DataFrame({"dataset": ["mnist", "digits"]})
    with pytest.raises(ValueError, match="digits, mnist"):
        check_claims(CLAIMS, {"runs": rows})


def test_one_missing_part_leaves_a_claim_open():
    tables = evidence_for(CLAIMS.claims["training_makes_them_differ"], "supported")
    without = {key: rows[rows["architecture"] != "relu_5x5"] for key, rows in tables.items()}
    row = verdict_of("training_makes_them_differ", without)
    assert row["finding"] == "Not measured: nothing with architecture relu_5x5, filters 16 in redundancy.csv."


def test_the_tables_needed_are_those_that_the_tests_read():
    needed = tables_needed(CLAIMS)
    assert needed == sorted(needed)
    read = {key for claim in CLAIMS.claims.values() for key in evidence_for(claim, "supported")}
    assert set(needed) == read


# The same tables give the same verdicts


def test_claims_depend_neither_on_the_run_nor_on_the_order_of_rows(rng):
    for name in CLAIMS.claims:
        tables = evidence_for(CLAIMS.claims[name], "inconclusive")
        shuffled = {key: rows.iloc[rng.permutation(len(rows))] for key, rows in tables.items()}
        first, again = (verdict_of(name, tables) for _ in range(2))
        pd.testing.assert_series_equal(first, again)
        other = verdict_of(name, shuffled)
        assert (first["verdict"], first["n"]) == (other["verdict"], other["n"])
        np.testing.assert_allclose(*(row[["effect", "low", "high"]].astype(float) for row in (first, other)))


def test_tables_are_not_changed():
    for claim in CLAIMS.claims.values():
        tables = evidence_for(claim, "supported")
        before = copy.deepcopy(tables)
        verdict_of(claim, tables)
        for key, rows in tables.items():
            pd.testing.assert_frame_equal(rows, before[key])


# Rules that single claims need


def test_the_range_of_accuracy_is_not_rounded():
    name = "accuracy_if_episodes_are_steps"
    tables = evidence_for(CLAIMS.claims[name], "supported")
    tables["runs"].loc[tables["runs"]["filters"] == 1, "test_accuracy"] = around(0.9160)  # which rounds to 92 %
    row = verdict_of(name, tables)
    assert row["verdict"] == "refuted"
    assert "1 (91.6 %); inside: 2 (92.5 %), 4 (92.5 %), 8 (92.5 %) and 16 (92.5 %)" in row["finding"]
    assert row["effect"] == pytest.approx(0.916)


def test_an_equivalence_table_with_another_margin_is_not_taken():
    name = "more_filters_change_nothing_if_steps"
    tables = evidence_for(CLAIMS.claims[name], "supported")
    tables["equivalence"]["margin"] = 0.01
    row = verdict_of(name, tables)
    assert row["verdict"] == "inconclusive"
    assert "tested with a margin of 0.01, the claim says 0.003" in row["finding"]


def test_the_numbers_of_filters_that_differ_are_named():
    name = "more_filters_change_nothing_if_steps"
    finding = verdict_of(name, evidence_for(CLAIMS.claims[name], "refuted"))["finding"]
    assert (
        "It is not, by more than 0.30 points: 8 against 16 filters. 8 against 16 filters, first minus second: -1.00"
        in finding
    )


def test_exact_duplicates_have_the_exact_bound():
    row = verdict_of("exact_duplicates", evidence_for(CLAIMS.claims["exact_duplicates"], "refuted"))
    assert row["high"] == pytest.approx(1 - 0.05 ** (1 / 100))  # no duplicate in 100 networks: the rule of three
    assert "of 600 pairs of filters in 100 trained networks, none are equal" in row["finding"]


def test_duplicates_in_few_networks_are_counted_and_still_rare():
    tables = evidence_for(CLAIMS.claims["exact_duplicates"], "refuted")
    tables["redundancy"].loc[5, ["exact_duplicate_pairs", "close_duplicate_pairs"]] = [1, 2]
    row = verdict_of("exact_duplicates", tables)
    assert row["verdict"] == "refuted"
    assert "1 are equal to the last bit and 2 to within a millionth" in row["finding"]


def test_an_excess_whose_adjusted_p_value_disagrees_is_inconclusive():
    for name in ("more_of_100_than_chance", "large_relu_filters_beyond_chance"):
        ((key, rows),) = evidence_for(CLAIMS.claims[name], "supported").items()
        adjusted = [column for column in rows if column.endswith("p_fdr")]
        assert verdict_of(name, {key: rows.assign(**dict.fromkeys(adjusted, 0.06))})["verdict"] == "inconclusive"


def test_two_rows_where_there_should_be_one_are_not_taken():
    ((key, rows),) = evidence_for(CLAIMS.claims["question_filters_at_chance"], "supported").items()
    row = verdict_of("question_filters_at_chance", {key: table(rows, rows)})
    assert "2 rows with architecture question, filters 32, where there should be one" in row["finding"]


def test_twins_need_every_optimiser():
    tables = evidence_for(CLAIMS.claims["nothing_prevents_it"], "supported")
    rows = tables["twins"]
    row = verdict_of("nothing_prevents_it", {"twins": rows[rows["momentum"] == 0]})
    assert "no twins were trained with momentum in twins.csv" in row["finding"]


def test_twins_that_are_not_equal_to_the_last_bit_have_separated():
    tables = evidence_for(CLAIMS.claims["nothing_prevents_it"], "supported")
    tables["twins"].loc[SEEDS, "equal"] = False  # whatever the distance was rounded to
    assert verdict_of("nothing_prevents_it", tables)["verdict"] == "refuted"


def test_outgoing_weights_that_separate_are_a_separation():
    tables = evidence_for(CLAIMS.claims["nothing_prevents_it"], "supported")
    tables["twins"].loc[SEEDS, ["outgoing_separation", "equal"]] = [0.5, False]
    assert verdict_of("nothing_prevents_it", tables)["effect"] == 0.5


def test_half_twins_are_asked_for_at_the_first_step():
    tables = evidence_for(CLAIMS.claims["half_twins_separate"], "supported")
    later = {"twins": tables["twins"].replace({"step": {1: 2}})}
    assert "step 1 in twins.csv" in verdict_of("half_twins_separate", later)["finding"]


def test_twins_that_did_not_stay_equal_say_nothing_about_their_loss():
    tables = evidence_for(CLAIMS.claims["two_equal_are_one_fewer"], "supported")
    tables["one_fewer"].loc[tables["one_fewer"]["second_filter"] == "twin", "twins_equal"] = False
    row = verdict_of("two_equal_are_one_fewer", tables)
    assert "the planted twins did not stay equal" in row["finding"]


def test_losses_pair_by_seed():
    tables = evidence_for(CLAIMS.claims["two_equal_have_a_larger_loss"], "supported")
    rows = tables["one_fewer"]
    rows["train_loss"] += 10.0 * rows["seed"]  # hides any difference that is not taken seed by seed
    assert verdict_of("two_equal_have_a_larger_loss", tables)["verdict"] == "supported"


def test_the_fewest_filters_of_a_claim_are_heeded():
    claim = with_parameters("no_larger_loss_without_activation", fewest_filters=4)
    tables = evidence_for(claim, "supported")
    rows = tables["one_fewer"]
    rows.loc[(rows["filters"] == 3) & (rows["second_filter"] == "twin"), "train_loss"] += 1.0
    assert verdict_of(claim, tables)["verdict"] == "supported"
    assert verdict_of("no_larger_loss_without_activation", tables)["verdict"] == "refuted"


def test_removal_is_judged_where_most_networks_have_near_duplicates():
    tables = evidence_for(CLAIMS.claims["redundant_add_nothing"], "supported")
    rows = tables["removal"]
    second = rows.assign(architecture="question", accuracy_decrease_merged=0.5)
    half = second.assign(near_duplicate=second["near_duplicate"] & (second["seed"] < SEEDS // 2))
    assert verdict_of("redundant_add_nothing", {"removal": table(rows, half)})["verdict"] == "supported"
    most = second.assign(near_duplicate=second["near_duplicate"] & (second["seed"] < 6))
    row = verdict_of("redundant_add_nothing", {"removal": table(rows, most)})
    assert (row["verdict"], row["n"]) == ("refuted", 6)
    none = rows.assign(near_duplicate=False)
    assert "nothing there to test it on" in verdict_of("redundant_add_nothing", {"removal": none})["finding"]


def test_redundant_filters_can_add_nothing_and_be_missed_all_the_same():
    rows = removals(near=(0.02, 1e-4)).assign(accuracy_decrease_merged=0.0)
    row = verdict_of("redundant_add_nothing", {"removal": rows})
    assert row["verdict"] == "supported"
    assert "when its near duplicate takes over its outgoing weights" in row["finding"]
    row = verdict_of("redundant_can_just_be_taken_out", {"removal": rows})
    assert row["verdict"] == "refuted"
    assert "its outgoing weights lost, the accuracy falls by 2.00 points" in row["finding"]


def test_the_rank_correlation_is_of_each_network_alone():
    name = "similarity_predicts_cost"
    rows = evidence_for(CLAIMS.claims[name], "supported")["removal"]
    rows["loss_increase"] += 10.0 * rows["seed"]  # hides any correlation that is not taken network by network
    rows["nearest_cosine"] += 0.001 * rows["seed"]
    row = verdict_of(name, {"removal": rows})
    assert (row["verdict"], row["n"]) == ("supported", SEEDS)
    assert row["effect"] == pytest.approx(-1)
    directionless = rows.assign(filter=99, nearest_cosine=np.nan, loss_increase=0.0)
    assert verdict_of(name, {"removal": table(rows, directionless)})["effect"] == pytest.approx(-1)


def test_networks_of_few_filters_have_no_rank_correlation():
    tables = evidence_for(CLAIMS.claims["similarity_predicts_cost"], "supported")
    small = tables["removal"].assign(filters=4, architecture="question", loss_increase=0.0)
    assert (
        verdict_of("similarity_predicts_cost", {"removal": table(tables["removal"], small)})["verdict"] == "supported"
    )


def test_alignment_must_come_from_the_small_weights():
    tables = evidence_for(CLAIMS.claims["small_weights_make_equal_filters"], "supported")
    rows = tables["condensation"]
    rows.loc[(rows["scale"] == 1.0) & (rows["step"] == 300), "mean_cosine"] = 0.99
    row = verdict_of("small_weights_make_equal_filters", tables)
    assert row["verdict"] == "refuted"
    five = {"condensation": rows[rows["seed"].isin([0, 2, 3, 4, 5])]}  # p = 1/32 is not below 0.05 / 4, of four parts
    assert verdict_of("small_weights_make_equal_filters", five)["verdict"] == "inconclusive"
    one_dimension = {"condensation": rows.assign(isotropic_mean_cosine=1.0)}  # where all kernels are on one line
    assert "nothing there to test it on" in verdict_of("small_weights_make_equal_filters", one_dimension)["finding"]


# The rules all claims share


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def series(values):
    return pd.Series(np.asarray(values, dtype=float))


def test_intervals_and_lines():
    assert [above(1, 2, 0.5), above(1, 2, 2), above(1, 2, 1)] == [True, False, None]
    assert above(0, 0, 0) is False  # nothing is not more than nothing
    assert [within(1, 2, 1, 2), within(1, 2, 3, 4), within(1, 2, 1.5, 4)] == [True, False, None]
    assert above(np.nan, np.nan, 0) is within(np.nan, np.nan, 0, 1) is None


@pytest.mark.parametrize("below", [False, True])
def test_a_direction_needs_sign_flips_to_agree(below):
    side = -1 if below else 1
    (part,) = direction_parts({"": side * series([1, 2, 3, 4])}, 0.0, 0.05, below=below)
    assert (part.holds, part.p_value) == (None, 1 / 16)  # though the interval excludes 0
    (part,) = direction_parts({"": side * series([1, 2, 3, 4, 5])}, 0.0, 0.05, below=below)
    assert (part.holds, part.p_value) == (True, 1 / 32)
    (part,) = direction_parts({"": -side * series([1, 2, 3, 4, 5])}, 0.0, 0.05, below=below)
    assert (part.holds, part.p_value) == (False, 1.0)


def test_that_one_of_many_parts_fails_is_said_at_a_stricter_level():
    five = series([-1, -2, -3, -4, -5])
    (alone,) = direction_parts({"": five}, 0.0, 0.05)
    assert alone.holds is False
    together = direction_parts({"": five, "other": -five}, 0.0, 0.05)  # p = 1/32 is not below 0.05 / 2
    assert [part.holds for part in together] == [None, True]
    (of_two,) = direction_parts({"": five}, 0.0, 0.05, in_all=2)
    assert of_two.holds is None


def test_a_direction_is_against_its_line_and_values_all_equal_are_taken_at_their_word():
    (part,) = direction_parts({"": series([-0.4, -0.45, -0.5, -0.42, -0.44])}, -0.3, 0.05, below=True)
    assert part.holds is True
    (part,) = direction_parts({"": series([0.0] * 5)}, 0.0, 0.05)
    assert part.holds is False


def test_missing_values_are_left_out_and_not_counted():
    (part,) = direction_parts({"": series([1, 2, np.nan, 3, 4, 5])}, 0.0, 0.05)
    assert (part.n, part.effect, part.holds) == (5, 3.0, True)


def test_that_one_of_many_means_is_outside_a_range_is_said_at_a_stricter_level():
    near = series(0.9195 + 0.0006 * NOISE)
    assert range_parts({"a": near}, 0.92, 0.93, 0.05)["a"].holds is False
    assert range_parts(dict.fromkeys("abcdefgh", near), 0.92, 0.93, 0.05)["a"].holds is None


def test_equivalence_is_holms_and_its_opposite_needs_a_wider_interval(rng):
    test = paired_equivalence(0.0042 + 0.0017 * NOISE, np.zeros(10), 0.003)
    assert test.low > test.margin
    (part,) = equivalence_parts({"": test}, [test.p_value], 0.05)
    assert part.holds is False
    parts = equivalence_parts(dict.fromkeys("abcdefghi", test), [test.p_value] * 9, 0.05)
    assert parts[0].holds is None
    (part,) = equivalence_parts({"": paired_equivalence(0.0001 * NOISE, np.zeros(10), 0.003)}, [0.06], 0.05)
    assert part.holds is None  # as the adjusted p-value says


def test_the_wider_interval_is_the_t_interval(rng):
    values = rng.standard_normal(7)
    line = float(np.mean(values)) + stats.t.ppf(1 - 0.05 / 4, 6) * float(np.std(values, ddof=1)) / np.sqrt(7)
    for factor, expected in ((0.999, None), (1.001, False)):
        shifted = values - line * factor - 1  # whose interval of confidence 1 - 2 * 0.05 / 4 ends near -1
        test = paired_equivalence(shifted, np.zeros(7), 1.0)
        parts = equivalence_parts(dict.fromkeys("abcd", test), [1.0] * 4, 0.05)
        assert parts[0].holds is expected


def test_shares_have_exact_bounds():
    part = share_part(pd.Series([True] * 5), 0.5, 0.05, seeds=5)
    assert part.low == pytest.approx(0.05 ** (1 / 5))
    assert part.holds is True
    assert share_part(pd.Series([True] * 4), 0.5, 0.05, seeds=4).holds is None


def test_the_worst_part_decides_and_gives_the_effect():
    name = "training_makes_them_differ"
    row = verdict_of(name, evidence_for(CLAIMS.claims[name], "refuted"))
    assert row["effect"] == pytest.approx(0.1)
    assert "question: -0.100, relu_3x1: +0.100 and relu_5x5: -0.100" in row["finding"]


def test_a_part_that_cannot_be_told_hides_none_that_fails():
    unclear = Part("unclear", -5.0, -9.0, 1.0, 10, None, -5.0)
    failing = Part("failing", -1.0, -1.5, -0.5, 8, False, -1.0)
    worse = Part("worse", -2.0, -2.5, -1.5, 9, False, -2.0)
    outcome = combine([unclear, failing, worse], "nats")
    assert (outcome.verdict, outcome.effect, outcome.numbers["part"], outcome.n) == ("refuted", -2.0, "worse", 8)
    assert combine([unclear, Part("", 1.0, 0.5, 1.5, 10, True, 1.0)], "nats").verdict == "inconclusive"


def test_numbers_come_in_words():
    assert in_words(0.9243, "accuracy") == "92.4 %"
    assert in_words(-0.003, "points of accuracy") == "-0.30 points"
    assert in_words(np.nan, "cosine") == "unknown"
    assert [listed([]), listed(["1"]), listed(["1", "2"]), listed(["1", "2", "3"])] == [
        "none",
        "1",
        "1 and 2",
        "1, 2 and 3",
    ]


# Mistakes in the YAML


def message_of(plain):
    with pytest.raises(ClaimsError) as caught:
        load_claims(plain)
    return str(caught.value)


def changed(name="accuracy_if_episodes_are_steps", **changes):
    plain = copy.deepcopy(PLAIN)
    plain["claims"][name] |= changes
    return plain


def test_all_mistakes_are_reported_at_once_with_key_value_and_what_is_allowed():
    plain = copy.deepcopy(PLAIN) | {"fewest_seeds": 0, "levle": 0.05}
    first, second = "accuracy_if_episodes_are_steps", "accuracy_if_episodes_are_epochs"
    third = "one_model"
    plain["claims"][first] |= {"test": "accuracy_in_rage", "said_by": "qestion", "figure": "../figure"}
    plain["claims"][second]["parameters"] = {"architecture": "question", "filter": [1], "lowest": 2.0, "highest": 0.93}
    plain["claims"][second]["answers"] = {"supported": "{efect} {low:.2f}", "refuted": "{", "inconclusive": ""}
    del plain["claims"][third]["statement"]
    plain["claims"]["3rd"] = 5
    message = message_of(plain)
    lines = message.splitlines()
    expected = [
        ("fewest_seeds = 0", "greater than 0"),
        ("levle: unknown key", "did you mean 'level'?"),
        (
            f"claims.{first}.test = 'accuracy_in_rage'",
            "allowed: accuracy_in_range,",
            "did you mean 'accuracy_in_range'?",
        ),
        (f"claims.{first}.said_by = 'qestion'", "'question', 'answer' or 'ours'", "did you mean 'question'?"),
        (f"claims.{first}.figure = '../figure'", "pattern"),
        (f"claims.{second}.parameters.filters: missing",),
        (f"claims.{second}.parameters.filter: unknown key", "did you mean 'filters'?"),
        (f"claims.{second}.parameters.lowest = 2.0", "less than or equal to 1"),
        (f"claims.{second}.answers.supported: unknown number {{efect}}", "did you mean 'effect'?"),
        (f"claims.{second}.answers.supported: {{low}} has a format of its own", "words"),
        (f"claims.{second}.answers.refuted: braces that don't match",),
        (f"claims.{second}.answers.inconclusive = ''", "at least 1"),
        (f"claims.{third}.statement: missing",),
        ("claims.3rd.[key] = '3rd'",),
        ("claims.3rd = 5", "must be a section"),
    ]
    for key, *parts in expected:
        matching = [line for line in lines if line.startswith(f"  - {key}")]
        assert len(matching) == 1, f"{key} in\n{message}"
        for part in parts:
            assert part in matching[0]
    assert lines[0] == f"the file of claims has {len(lines) - 1} mistakes:"
    assert len(lines) - 1 == len(expected), message


@pytest.mark.parametrize("value", [5, "text", None, True, [], [1], {}, {"a": 1}, {1: 2}])
def test_whatever_stands_anywhere_is_accepted_or_answered_by_a_claims_error(value):
    name = "nothing_prevents_it"
    paths = [(), ("claims",), ("claims", name), *(("claims", name, key) for key in PLAIN["claims"][name])]
    paths += [("claims", name, "parameters", "optimizers"), ("claims", name, "answers", "refuted"), ("level",)]
    for path in paths:
        plain = copy.deepcopy(PLAIN)
        at = plain
        for key in path[:-1]:
            at = at[key]
        if path:
            at[path[-1]] = value
        with contextlib.suppress(ClaimsError):
            load_claims(plain if path else value)


def test_parameters_that_a_test_must_have_are_missed():
    message = message_of(changed(parameters={}))
    assert "claims.accuracy_if_episodes_are_steps.parameters.architecture: missing" in message


def test_a_file_names_itself_in_its_mistakes(tmp_path):
    path = tmp_path / "claims.yaml"
    with pytest.raises(ClaimsError, match=r"claims\.yaml"):
        read_claims(path)
    path.write_text("claims: [", encoding="utf-8")
    with pytest.raises(ClaimsError, match=r"claims\.yaml"):
        read_claims(path)
    path.write_text("level: 0.05", encoding="utf-8")
    with pytest.raises(ClaimsError, match=r"claims\.yaml has 2 mistakes:\n  - fewest_seeds: missing"):
        read_claims(path)


def test_a_number_that_a_test_does_not_give_is_refused():
    assert all("pairs" in TESTS[name].numbers for name in ("exact_duplicates_occur", "near_duplicates_occur"))
    message = message_of(changed(answers={"supported": "{pairs}", "refuted": "no", "inconclusive": "so so"}))
    assert (
        "answers.supported: unknown number {pairs}; allowed: effect, low, high, n, part, parts, held, each" in message
    )
