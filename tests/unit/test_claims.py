"""Claims: each of config/claims.yaml reaches every verdict, and nothing that is missing makes it crash or decide."""

from __future__ import annotations

import contextlib
import copy
import re

import claims_tables
import claims_tables_pruning
import numpy as np
import pandas as pd
import pytest
from claims_checks import (
    CLAIMS,
    LABELS,
    MARGINS,
    NOISE,
    PLAIN,
    SEEDS,
    STUDY,
    around,
    table,
    verdict_of,
    with_parameters,
)
from scipy import stats

from filtertwins.claims import judging
from filtertwins.claims.check import check_claims, tables_needed
from filtertwins.claims.declared import ClaimsError, load_claims, read_claims
from filtertwins.claims.evidence import TESTS
from filtertwins.claims.evidence.likeness import beside_strangers
from filtertwins.claims.judging import Part, told
from filtertwins.claims.words import VERDICTS, in_words, judged, listed
from filtertwins.files import read_csv, write_csv
from filtertwins.measures.statistics import seed_interval
from filtertwins.tables.means import MEANS, means_of

BUILDERS = vars(claims_tables) | vars(claims_tables_pruning)  # by the name of the test
# What is exact is never unclear; it is inconclusive when there are too few seeds.
EXACT = {"logits_change_when_merged", "twins_stay_equal", "twins_separate", "head_takes_most"}
# How a finding opens, by verdict. Two headlines ask for the opposite of their statements; there a yes would mislead.
OPENINGS = {
    "supported": r"Yes\b|Nothing does|They add nothing",
    "refuted": r"No\b|Not (?!clear)|Something does|They add something",
    "inconclusive": "Not clear|Too few seeds",
}
ONE_OF_EACH_TEST = {claim.test: name for name, claim in CLAIMS.claims.items()}.values()


def evidence_for(claim, verdict="supported"):
    """Tables from which a claim gets a verdict."""
    claim = CLAIMS.claims[claim] if isinstance(claim, str) else claim
    return BUILDERS[claim.test](claim.parameters, verdict)


# Every claim, every verdict


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("name", CLAIMS.claims)
def test_each_claim_reaches_each_verdict(name, verdict, tmp_path):
    tables = {}
    for table_name, rows in evidence_for(name, verdict).items():
        write_csv(rows, tmp_path / f"{table_name}.csv")  # as a study does
        tables[table_name] = read_csv(tmp_path / f"{table_name}.csv")
    row = verdict_of(name, tables)
    assert row["verdict"] == verdict, row["finding"]
    assert not re.search(r"[{}]|nan|unknown|Not measured", row["finding"])
    assert ("Too few seeds" in row["finding"]) == (verdict == "inconclusive" and CLAIMS.claims[name].test in EXACT)
    assert re.match(OPENINGS[verdict], row["finding"])
    first_sentence, *_ = re.split(r"(?<=\.)\s", row["finding"])
    assert len(first_sentence.split()) <= 30, first_sentence
    assert not {word for word in re.findall(r"\w+", row["finding"]) if word in LABELS and "_" in word}
    assert row["low"] <= row["effect"] <= row["high"]
    assert len(judged(row.to_frame().T)) == ("Too few seeds" not in row["finding"])


@pytest.mark.parametrize("name", ONE_OF_EACH_TEST)
def test_every_test_gives_the_numbers_that_it_declares(name):
    claim = CLAIMS.claims[name]
    everything = " ".join(f"{{{number}}}" for number in TESTS[claim.test].numbers)
    answers = claim.answers.model_copy(update=dict.fromkeys(VERDICTS, everything))
    assert "unknown" not in verdict_of(claim.model_copy(update={"answers": answers}), evidence_for(claim))["finding"]


def test_every_test_is_used_and_reads_the_tables_that_are_asked_for():
    assert set(TESTS) == {claim.test for claim in CLAIMS.claims.values()} <= set(BUILDERS)
    assert tables_needed(CLAIMS) == sorted({key for name in CLAIMS.claims for key in evidence_for(name)})


def test_what_the_claims_ask_for_is_in_the_default_study():
    pruning, deletion = STUDY["pruning"], STUDY["pruning"]["weight_deletion"]
    trained = STUDY["architectures"] | STUDY["experiments"]["one_fewer"]["architectures"]
    counts = {name: set(item["filters"]) for name, item in trained.items()}
    for claim in CLAIMS.claims.values():
        p = claim.parameters
        for name, own in p.get("networks", {}).items():
            assert set(own) <= counts[name]
        for name, own in p.get("kept", {}).items():
            assert own == pruning["networks"][name]["from_scratch"]  # those that the figure shows
        if hasattr(claims_tables_pruning, claim.test):
            assert set(p.get("architectures", ())) <= set(pruning["networks"])
            criteria = [p["criterion"]] if "criterion" in p else []
            assert {*p.get("methods", ()), *p.get("others", ()), *criteria} <= set(pruning["methods"])
            assert p.get("architecture", deletion["architecture"]) == deletion["architecture"]
            shares = {p[key] for key in ("up_to", "share") if key in p} | set(p.get("shares", ()))
            assert shares <= set(deletion["shares"])


def test_a_difference_too_small_to_matter_is_nowhere_better_and_nowhere_a_cost():
    """The same smallest effect of interest decides on both sides, and none can be set by a single claim."""
    assert not any({"margin", "margins"} & test.parameters.model_fields.keys() for test in TESTS.values())

    def slightly_better(name, method, kept, fine_tuned):
        return (0.92, 0.92) if method == "none" else (0.93, 0.9217)

    p = CLAIMS.claims["pruning_improves_accuracy"].parameters
    rows = claims_tables_pruning.pruned(p, slightly_better, spread=2e-4)
    row = verdict_of("pruning_improves_accuracy", {"pruning": rows})
    assert row["verdict"] == "refuted"
    assert re.match(r"No, not by the 0\.30 points that matter: .* changes by 0\.1\d points\.", row["finding"])
    costs = claims_tables.removals(CLAIMS.claims["redundant_add_nothing"].parameters, near=(0.0016, 1e-4))
    assert verdict_of("redundant_add_nothing", {"removal": costs})["verdict"] == "supported"
    slight = claims_tables.removals(CLAIMS.claims["redundant_add_less_than_others"].parameters, near=(4e-4, 1e-5))
    row = verdict_of("redundant_add_less_than_others", {"removal": slight})
    assert row["finding"].startswith("Not in every kind of network by as much as matters (0.0050 nats).")


@pytest.mark.parametrize("name", CLAIMS.claims)
def test_each_claim_can_be_decided_with_five_seeds_or_says_that_it_cannot(name):
    """The best evidence that there can be, for and against it."""
    seeds = 5
    for verdict in ("supported", "refuted"):
        tables = {
            key: rows[rows["seed"] < seeds] if "seed" in rows else rows.assign(n=seeds) if "n" in rows else rows
            for key, rows in evidence_for(name, verdict).items()
        }
        row = verdict_of(name, tables)
        assert row["verdict"] == verdict or row["finding"].startswith("Too few seeds by design"), row["finding"]


def test_seeds_that_could_not_reach_the_level_are_too_few_by_design():
    four = CLAIMS.model_copy(update={"fewest_seeds": 4, "claims": {"it": CLAIMS.claims["exact_duplicates"]}})
    rows = evidence_for("exact_duplicates")["redundancy"]
    row = check_claims(four, {"redundancy": rows[rows["seed"] < 4].assign(label="x")}, MARGINS).iloc[0]
    assert (row["verdict"], row["n"]) == ("inconclusive", 4)
    assert row["finding"].startswith("Too few seeds by design: whatever 4 of them show")
    assert judged(row.to_frame().T).empty


@pytest.mark.parametrize(
    ("first", "status"), [(100, "confirmatory"), (0, "exploratory"), (95, "exploratory"), (115, "exploratory")]
)
def test_verdicts_confirm_only_on_seeds_that_no_trial_run_has_seen_and_in_the_study_that_was_fixed(first, status):
    tables = {key: rows.assign(seed=rows["seed"] + first) for key, rows in evidence_for("exact_duplicates").items()}
    one = CLAIMS.model_copy(update={"claims": {"it": CLAIMS.claims["exact_duplicates"]}})
    assert check_claims(one, tables, MARGINS, fixed=True).iloc[0]["status"] == status
    assert check_claims(one, tables, MARGINS, fixed=False).iloc[0]["status"] == "exploratory"
    assert set(check_claims(CLAIMS, {}, MARGINS, fixed=True)["status"]) == {"exploratory"}


def test_a_claim_of_after_the_confirmatory_run_is_exploratory_on_any_seeds():
    later = [name for name, claim in CLAIMS.claims.items() if claim.exploratory]
    assert later == [
        "accuracy_if_episodes_are_epochs",
        "more_of_100_large_than_chance",
        "small_is_as_good_at_matched_convergence",
        "each_layer_more_alike_than_chance",
        "second_layer_keeps_apart",
    ]
    tables = {key: rows.assign(seed=100) for key, rows in evidence_for("exact_duplicates").items()}
    claims = [CLAIMS.claims["exact_duplicates"], CLAIMS.claims["exact_duplicates"]]
    claims[1] = claims[1].model_copy(update={"exploratory": "It came later."})
    both = CLAIMS.model_copy(update={"claims": {"frozen": claims[0], "later": claims[1]}})
    rows = check_claims(both, tables, MARGINS, fixed=True)
    assert rows["status"].tolist() == ["confirmatory", "exploratory"]
    assert rows["exploratory"].fillna("").tolist() == ["", "It came later."]


# What is missing decides nothing


def test_a_study_without_tables_leaves_every_claim_open():
    checked = check_claims(CLAIMS, {}, MARGINS)
    assert list(checked["claim"]) == list(CLAIMS.claims)
    assert set(checked["verdict"]) == {"inconclusive"}
    assert checked["finding"].str.startswith("Not measured: this study has no ").all()
    assert (checked["n"] == 0).all()
    assert judged(checked).empty


@pytest.mark.parametrize("name", ONE_OF_EACH_TEST)
def test_a_missing_condition_leaves_a_claim_open_and_is_named(name):
    optional = TESTS[CLAIMS.claims[name].test].optional
    tables = {key: rows for key, rows in evidence_for(name).items() if key not in optional}
    replaced = {"architecture": "other", "stage": "initial", "activation": "sigmoid", "never_active": True} | {
        "small_weights_align": {"scale": 1.0},
        "twins_stay_equal": {"second_filter": "own"},
    }.get(CLAIMS.claims[name].test, {})
    for key, rows in tables.items():
        changes = {column: value for column, value in replaced.items() if column in rows}
        row = verdict_of(name, tables | {key: rows.assign(**changes)})
        assert row["verdict"] == "inconclusive"
        assert row["finding"].startswith("Not measured: "), row["finding"]
        assert f"{key}.csv" in row["finding"]


@pytest.mark.parametrize("name", CLAIMS.claims)
def test_two_seeds_never_give_a_verdict(name):
    tables = {
        key: rows[rows["seed"] < 2] if "seed" in rows else rows.assign(n=2) if "n" in rows else rows
        for key, rows in evidence_for(name).items()
    }
    row = verdict_of(name, tables)
    assert (row["verdict"], row["n"]) == ("inconclusive", 2)
    assert row["finding"] == "Too few seeds for a verdict: 2, where 5 are needed."


def test_a_claim_about_one_dataset_is_not_judged_on_another():
    name = "accuracy_if_episodes_are_steps"
    row = verdict_of(name, {key: rows.assign(dataset="digits") for key, rows in evidence_for(name).items()})
    assert (row["dataset"], row["verdict"]) == ("digits", "inconclusive")
    assert "it is about mnist, and this study is on digits" in row["finding"]
    with pytest.raises(ValueError, match="digits, mnist"):
        check_claims(
            CLAIMS, {"runs": pd.DataFrame({"dataset": ["mnist", "digits"], "architecture": "question"})}, MARGINS
        )


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_exact_reading_is_judged_where_it_was_trained_and_its_proxy_elsewhere(verdict):
    """Of the question's "2000 episodes"; the finding says which, and has each accuracy with its interval."""
    name = "accuracy_if_episodes_are_epochs"
    exact, proxy = (evidence_for(name, wanted) for wanted in (verdict, "refuted"))
    row = verdict_of(name, {"runs": proxy["runs"], "exact_reading": exact["exact_reading"]})
    assert row["verdict"] == verdict
    assert "after 2,000 steps (question_epochs)" in row["finding"]
    assert len(re.findall(r"% \([\d.]+ % to [\d.]+ %\) for \d+", row["finding"])) == 5
    row = verdict_of(name, {"runs": exact["exact_reading"].assign(architecture="question_converged", steps=1000)})
    assert row["verdict"] == verdict
    assert "after 1,000 steps (question, trained longer)" in row["finding"]


def test_an_exact_reading_without_one_of_its_numbers_of_filters_leaves_the_claim_open():
    tables = evidence_for("accuracy_if_episodes_are_epochs")
    rows = tables["exact_reading"]
    row = verdict_of("accuracy_if_episodes_are_epochs", tables | {"exact_reading": rows[rows["filters"] != 16]})
    assert row["finding"] == "Not measured: nothing with filters 16 in runs.csv, exact_reading.csv."


def test_one_missing_part_leaves_a_claim_open():
    rows = evidence_for("training_makes_them_alike")["redundancy"]
    row = verdict_of("training_makes_them_alike", {"redundancy": rows[rows["architecture"] != "relu_5x5"]})
    assert row["finding"] == "Not measured: nothing with architecture relu_5x5, filters 16 in redundancy.csv."


@pytest.mark.parametrize("name", ONE_OF_EACH_TEST)
def test_claims_depend_neither_on_the_run_nor_on_the_order_of_rows_and_change_no_table(name):
    tables = evidence_for(name, "inconclusive")
    before = copy.deepcopy(tables)
    first, again = (verdict_of(name, tables) for _ in range(2))
    pd.testing.assert_series_equal(first, again)
    for key, rows in tables.items():
        pd.testing.assert_frame_equal(rows, before[key])
    other = verdict_of(name, {key: rows.sample(frac=1, random_state=7) for key, rows in tables.items()})
    assert (first["verdict"], first["n"]) == (other["verdict"], other["n"])
    np.testing.assert_allclose(*(row[["effect", "low", "high"]].astype(float) for row in (first, other)))


# What figures show too


@pytest.mark.parametrize(
    ("name", "shown", "measure"),
    [
        ("accuracy_if_episodes_are_steps", "runs", "test_accuracy"),
        ("two_equal_have_a_larger_loss", "one_fewer", "train_loss_difference"),
        ("nearest_cosine_order_predicts_cost", "criteria", "rank_correlation"),
        ("pruning_makes_it_faster", "cost", "time_ratio"),
        ("retraining_restores_accuracy", "obd", "retrained_change"),
    ],
)
def test_a_claim_has_the_numbers_of_the_means_that_its_figure_shows(name, shown, measure):
    tables = evidence_for(name)
    row = verdict_of(name, tables)
    others = {column: 0.0 for column in MEANS[shown].measures if column not in tables[shown]}
    means = means_of(shown, tables[shown].assign(activation="linear", **others))
    means = means[means["measure"] == measure]
    columns = {"effect": "mean", "low": "low", "high": "high", "median": "median"}
    if name in ("retraining_restores_accuracy", "accuracy_if_episodes_are_steps"):  # A range has an interval of 90 %.
        columns = {"effect": "mean", "median": "median"}
    found = row[list(columns)].to_numpy(float)
    assert np.isclose(means[list(columns.values())], found, rtol=1e-12, atol=1e-15).all(axis=1).any()


def test_architectures_have_the_labels_of_figures_and_each_counts_even_if_two_share_one():
    name = "nearest_cosine_order_predicts_cost"
    one = CLAIMS.model_copy(update={"claims": {name: CLAIMS.claims[name]}})
    for labels, expected in (({}, "question"), ({"question": "the label"}, "the label"), (LABELS, LABELS["question"])):
        assert f" for {expected}; " in check_claims(one, evidence_for(name), MARGINS, labels)["finding"].iloc[0]
    same = check_claims(one, evidence_for(name, "refuted"), MARGINS, dict.fromkeys(LABELS, "the same"))
    assert same["verdict"].iloc[0] == "refuted"
    assert same["finding"].iloc[0].count("for the same") == 3


# Rules that single claims need


def test_the_range_of_accuracy_is_not_rounded():
    name = "accuracy_if_episodes_are_steps"
    tables = evidence_for(name)
    tables["runs"].loc[tables["runs"]["filters"] == 1, "test_accuracy"] = around(0.9160)  # which rounds to 92 %
    row = verdict_of(name, tables)
    assert row["verdict"] == "refuted"
    assert "1 (91.6 %); inside: 2 (92.5 %), 4 (92.5 %), 8 (92.5 %) and 16 (92.5 %)" in row["finding"]
    assert row["effect"] == pytest.approx(0.916)


def test_every_optimizer_of_the_claim_must_have_trained_twins():
    rows = evidence_for("nothing_prevents_it")["twins"]
    planted = evidence_for("nothing_prevents_it")["planted"]
    row = verdict_of("nothing_prevents_it", {"twins": rows[rows["momentum"] == 0], "planted": planted})
    assert "no twins were trained with momentum in twins.csv" in row["finding"]
    row = verdict_of("nothing_prevents_it", {"twins": rows, "planted": planted.assign(implementation="stacked")})
    assert "no twins were planted in plain Keras" in row["finding"]


def test_losses_pair_by_seed_and_say_nothing_about_twins_that_did_not_stay_equal():
    rows = evidence_for("two_equal_have_a_larger_loss")["one_fewer"]
    rows["train_loss"] += 10.0 * rows["seed"]  # hides any difference that is not taken seed by seed
    assert verdict_of("two_equal_have_a_larger_loss", {"one_fewer": rows})["verdict"] == "supported"
    rows.loc[rows["second_filter"] == "twin", "twins_equal"] = False
    finding = verdict_of("two_equal_have_a_larger_loss", {"one_fewer": rows})["finding"]
    assert "the planted twins did not stay equal" in finding


def test_a_claim_has_its_own_parts_whatever_else_was_trained():
    """More networks change nothing, and a missing one leaves the claim open."""
    for name, key in (("two_equal_have_a_larger_loss", "one_fewer"), ("redundant_add_nothing", "removal")):
        rows = evidence_for(name)[key]
        more = rows.assign(filters=64, train_loss=0.0, accuracy_decrease_merged=9.0)
        assert verdict_of(name, {key: table(rows, more)})["verdict"] == "supported"
        fewer = rows[rows["filters"] != rows["filters"].max()]
        assert verdict_of(name, {key: fewer})["finding"].startswith("Not measured: nothing with architecture")


def test_removal_is_judged_where_most_networks_have_near_duplicates():
    rows = evidence_for("redundant_add_nothing")["removal"]
    own = rows["architecture"] == "relu_3x1"
    for having, finding in ((6, "They add nothing"), (SEEDS // 2, "Not measured: most networks of ")):
        near = rows["near_duplicate"] & (~own | (rows["seed"] < having))
        row = verdict_of("redundant_add_nothing", {"removal": rows.assign(near_duplicate=near)})
        assert row["finding"].startswith(finding)


def test_redundant_filters_can_add_nothing_and_be_missed_all_the_same():
    p = CLAIMS.claims["redundant_add_nothing"].parameters
    rows = claims_tables.removals(p, near=(0.02, 1e-4)).assign(accuracy_decrease_merged=0.0)
    assert verdict_of("redundant_add_nothing", {"removal": rows})["verdict"] == "supported"
    row = verdict_of("redundant_can_just_be_taken_out", {"removal": rows})
    assert row["verdict"] == "refuted"
    assert "the accuracy falls by 2.00 points" in row["finding"]


def test_rare_pairs_are_pooled_over_networks():
    """Three of ten networks have one pair, and chance makes none: a mean over seeds could not tell."""
    name = "more_of_100_large_than_chance"
    p = CLAIMS.claims[name].parameters
    fractions = np.where(np.arange(SEEDS) < 3, 1 / 4950, 0.0)
    rows = claims_tables.near_duplicate_pairs(p, fractions, chance=0.0)
    none = rows.assign(p_value=1.0, pooled_p_value=1.0)
    assert verdict_of(name, {"near_duplicates": none})["verdict"] == "inconclusive"
    row = verdict_of(name, {"near_duplicates": none.assign(pooled_p_value=1 / 201)})
    assert row["verdict"] == "supported"
    assert row["low"] < 0
    one_by_one = with_parameters(name, pooled=False)  # as the claims about other networks are
    some = none.assign(p_value=np.where(rows["fraction"] > 0, 1 / 2001, 1.0))
    assert verdict_of(one_by_one, {"near_duplicates": some})["verdict"] == "supported"
    assert verdict_of(name, {"near_duplicates": some})["verdict"] == "inconclusive"


def test_networks_of_one_seed_count_once():
    row = verdict_of("exact_duplicates", evidence_for("exact_duplicates", "refuted"))
    assert (row["n"], row["high"]) == (SEEDS, pytest.approx(1 - 0.05 ** (1 / SEEDS)))
    assert "at most 25.9 %" in row["finding"]


def test_alignment_must_come_from_the_small_weights():
    name = "small_weights_make_equal_filters"
    rows = evidence_for(name)["condensation"]
    rows.loc[(rows["scale"] == 1.0) & (rows["step"] == 30), "directions"] = 1.0
    assert verdict_of(name, {"condensation": rows})["verdict"] == "refuted"
    assert verdict_of(name, {"condensation": rows.assign(directions=3.0)})["verdict"] == "refuted"  # no fewer


# The rules that all claims share


def test_a_part_holds_by_its_interval_and_fails_by_the_wider_one():
    found, wide, missing = (1, 2), (0.5, 2.5), (np.nan, np.nan)
    assert [told(found, wide, *ends) for ends in ((1, 2), (2.6, 4), (2.2, 4), (1.5, 4))] == [True, False, None, None]
    assert told(missing, missing, 0, 1) is None


def test_that_one_of_several_has_as_many_close_pairs_as_strangers_is_said_at_a_stricter_level():
    row = {"label": "net", "filters": 8, "estimable": True, "ratio": 1.0, "ratio_low": 0.82, "ratio_high": 1.22}
    alone, of_three = (beside_strangers(pd.Series(row | {"n": 10}), 0.0, 0.8, in_all=parts) for parts in (1, 3))
    assert (alone.holds, of_three.holds) == (False, None)
    assert (of_three.low, of_three.high) == (0.82, 1.22)  # What is shown is the table's own interval.
    no_pairs = pd.Series(row | {"n": 10, "ratio": 0.0, "ratio_low": np.nan, "ratio_high": np.nan})
    assert beside_strangers(no_pairs, 0.0, 0.8, in_all=3).holds is None


def test_what_cannot_be_divided_by_or_told_makes_a_claim_inconclusive():
    name = "question_filters_at_chance"
    rows = evidence_for(name)["near_duplicates"].assign(null_fraction=0.0)
    assert "nothing to compare with" in verdict_of(name, {"near_duplicates": rows})["finding"]
    name = "prediction_is_good"
    rows = evidence_for(name)["obd"]
    rows.loc[rows["seed"] == rows["seed"].min(), "predicted_increase"] = 0.0
    assert "no increase is predicted" in verdict_of(name, {"obd": rows})["finding"]
    name = "penalty_makes_filters_redundant"
    claim = with_parameters(name, without=["nothing_5x5"])
    assert "as many networks without" in verdict_of(claim, evidence_for(name))["finding"]
    name = "near_duplicates_with_relu"
    rows = evidence_for(name)["near_duplicates"]
    rows.loc[rows["seed"] == rows["seed"].min(), "p_value"] = np.nan  # a network with a single live filter
    assert verdict_of(name, {"near_duplicates": rows})["verdict"] == "supported"


def test_a_claim_that_names_no_layer_is_about_the_first_one():
    name = "training_makes_them_alike"
    rows = evidence_for(name)["redundancy"].assign(layer="conv1")
    other = rows.assign(layer="conv2", mean_nearest_cosine=0.0)
    alone, both = (verdict_of(name, {"redundancy": own}) for own in (rows, pd.concat([rows, other])))
    assert both["verdict"] == "supported"
    assert both["effect"] == alone["effect"]


@pytest.mark.parametrize(("lowest", "highest", "level"), [(0.0, np.inf, 0.95), (-np.inf, 0.0, 0.95), (-1.0, 1.0, 0.9)])
def test_a_part_has_the_interval_of_its_test(lowest, highest, level):
    """Sameness takes two one-sided tests at 5 %, a direction the interval that figures show."""
    sample = pd.Series(0.3 + NOISE)
    (part,) = judging.range_parts([("", sample)], lowest, highest)
    found = seed_interval(sample, level=level)
    assert (part.effect, part.low, part.high, part.median) == (found.estimate, found.low, found.high, found.median)


def test_sameness_is_what_two_one_sided_tests_say():
    for shift in (0.0, 0.001, 0.002, 0.0024, 0.0026, 0.003):
        sample = pd.Series(shift + 0.001 * NOISE)
        (part,) = judging.same_parts([("", sample)], 0.003)
        above = stats.ttest_1samp(sample, -0.003, alternative="greater").pvalue
        below = stats.ttest_1samp(sample, 0.003, alternative="less").pvalue
        assert (part.holds is True) == (max(above, below) < 0.05)


def test_that_one_of_many_means_is_outside_is_said_at_a_stricter_level():
    near = pd.Series(0.9195 + 0.0006 * NOISE)
    assert judging.range_parts([("", near)], 0.92, 0.93)[0].holds is False
    assert judging.range_parts([("", near)] * 8, 0.92, 0.93)[0].holds is None
    assert judging.range_parts([("", near)], 0.92, 0.93, in_all=8)[0].holds is None
    assert judging.range_parts([("", 0 * near)], 0.0)[0].holds is True  # Values all equal are taken at their word.
    assert judging.range_parts([("", 0 * near)], 1e-9)[0].holds is False


def test_shares_of_seeds_have_exact_bounds():
    part = judging.seeds_part(pd.Series([True] * 5))
    assert (part.low, part.holds, part.n, part.decidable) == (pytest.approx(0.05 ** (1 / 5)), True, 5, True)
    four = judging.seeds_part(pd.Series([True] * 4))
    assert (four.holds, four.decidable) == (None, False)


def test_the_worst_part_decides_and_gives_the_effect():
    unclear = Part("unclear", -5.0, -9.0, 1.0, 10, None, -5.0)
    failing = Part("failing", -1.0, -1.5, -0.5, 8, False, -1.0)
    worse = Part("worse", -2.0, -2.5, -1.5, 9, False, -2.0)
    outcome = judging.combine([unclear, failing, worse], "nats")
    assert (outcome.verdict, outcome.part, outcome.n) == ("refuted", worse, 8)
    assert outcome.pooled == pytest.approx(-8 / 3)
    assert outcome.numbers["each"] == "-5.0000 for unclear; -1.0000 for failing; -2.0000 for worse"
    assert judging.combine([unclear, Part("", 1.0, 0.5, 1.5, 10, True, 1.0)], "nats").verdict == "inconclusive"


def test_numbers_come_in_words():
    assert in_words(0.9243, "accuracy") == "92.4 %"
    assert [in_words(x, "points of accuracy") for x in (-0.003, -1e-5)] == ["-0.30 points", "0.00 points"]
    assert in_words(np.nan, "cosine") == "unknown"
    assert [listed([]), listed(["1"]), listed(["1", "2"]), listed("123")] == ["none", "1", "1 and 2", "1, 2 and 3"]


# Mistakes in the YAML


def test_all_mistakes_are_reported_at_once_with_key_value_and_what_is_allowed():
    plain = copy.deepcopy(PLAIN) | {"fewest_seeds": 0, "fewest_sedes": 5}
    first, second, third = "accuracy_if_episodes_are_steps", "accuracy_if_episodes_are_epochs", "one_model"
    plain["claims"][first] |= {"test": "accuracy_in_rage", "said_by": "qestion", "figure": "../figure"}
    plain["claims"][second]["parameters"] = {"architecture": "question", "filter": [1], "lowest": 2.0, "highest": 0.93}
    plain["claims"][second]["answers"] = {"supported": "{efect}", "refuted": "{low:.2f}", "inconclusive": ""}
    plain["claims"]["nothing_prevents_it"]["answers"]["supported"] = "{"
    del plain["claims"][third]["statement"]
    plain["claims"]["3rd"] = 5
    with pytest.raises(ClaimsError) as caught:
        load_claims(plain)
    lines = str(caught.value).splitlines()
    expected = [
        ("fewest_seeds = 0", "greater than 0"),
        ("fewest_sedes: unknown key", "did you mean 'fewest_seeds'?"),
        (f"claims.{first}.test = 'accuracy_in_rage'", "did you mean 'accuracy_in_range'?"),
        (f"claims.{first}.said_by = 'qestion'", "'others' or 'ours'", "did you mean 'question'?"),
        (f"claims.{first}.figure = '../figure'", "a name begins with a letter"),
        (f"claims.{second}.parameters.filters: missing",),
        (f"claims.{second}.parameters.filter: unknown key", "did you mean 'filters'?"),
        (f"claims.{second}.parameters.lowest = 2.0", "less than or equal to 1"),
        (f"claims.{second}.answers.supported: unknown number {{efect}}", "allowed: effect,", "did you mean 'effect'?"),
        (f"claims.{second}.answers.refuted: braces that can't be filled", "words"),
        ("claims.nothing_prevents_it.answers.supported: braces that can't be filled",),
        (f"claims.{second}.answers.inconclusive = ''", "at least 1"),
        (f"claims.{third}.statement: missing",),
        ("claims.3rd = '3rd'; a name begins with a letter",),
        ("claims.3rd = 5", "must be a section"),
    ]
    for key, *parts in expected:
        matching = [line for line in lines if line.startswith(f"  - {key}")]
        assert len(matching) == 1, f"{key} in\n{caught.value}"
        assert all(part in matching[0] for part in parts)
    assert lines[0] == f"the file of claims has {len(expected)} mistakes:"
    assert len(lines) == 1 + len(expected)


@pytest.mark.parametrize("value", [5, "text", None, True, [], [1], {}, {"a": 1}, {1: 2}])
def test_whatever_stands_anywhere_is_accepted_or_answered_by_a_claims_error(value):
    name = "nothing_prevents_it"
    one = PLAIN | {"claims": {name: PLAIN["claims"][name]}}
    paths = [(), ("claims",), ("claims", name), *(("claims", name, key) for key in PLAIN["claims"][name])]
    paths += [("claims", name, "parameters", "optimizers"), ("claims", name, "answers", "refuted"), ("fewest_seeds",)]
    for path in paths:
        plain = copy.deepcopy(one)
        at = plain
        for key in path[:-1]:
            at = at[key]
        if path:
            at[path[-1]] = value
        with contextlib.suppress(ClaimsError):
            load_claims(plain if path else value)


def test_a_file_names_itself_in_its_mistakes(tmp_path):
    path = tmp_path / "claims.yaml"
    for text in (None, "claims: [", "fewest_seeds: 5"):
        if text:
            path.write_text(text, encoding="utf-8")
        with pytest.raises(ClaimsError, match=r"claims\.yaml"):
            read_claims(path)
