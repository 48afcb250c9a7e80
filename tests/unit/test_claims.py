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
from claims_checks import CLAIMS, LABELS, NOISE, PLAIN, SEEDS, STUDY, around, table, verdict_of, with_parameters
from scipy import stats

from filtertwins import claims
from filtertwins.claims import VERDICTS, ClaimsError, check_claims, judged, judging, load_claims, read_claims
from filtertwins.claims.evidence import TESTS
from filtertwins.claims.judging import Part, above, in_words, listed, within
from filtertwins.files import read_csv, write_csv
from filtertwins.measures.statistics import paired_equivalence
from filtertwins.settings import load_settings
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
    assert claims.tables_needed(CLAIMS) == sorted({key for name in CLAIMS.claims for key in evidence_for(name)})


def test_what_the_claims_ask_for_is_in_the_default_study():
    """One margin for the tables and the claims about them: both were decided before the run."""
    margins, pruning, deletion = load_settings(STUDY).margins, STUDY["pruning"], STUDY["pruning"]["weight_deletion"]
    for claim in CLAIMS.claims.values():
        p = claim.parameters
        if "margin" in p and claim.test not in ("as_alike_as_chance", "removal_costs_nothing"):
            assert p["margin"] == (margins.loss if claim.test == "same_loss" else margins.accuracy)
        if hasattr(claims_tables_pruning, claim.test):
            assert set(p.get("architectures", ())) <= set(pruning["networks"])
            criteria = [p["criterion"]] if "criterion" in p else []
            assert {*p.get("methods", ()), *p.get("others", ()), *criteria} <= set(pruning["methods"])
            assert p.get("architecture", deletion["architecture"]) == deletion["architecture"]
            shares = {p[key] for key in ("up_to", "share") if key in p} | set(p.get("shares", ()))
            assert shares <= set(deletion["shares"])


# What is missing decides nothing


def test_a_study_without_tables_leaves_every_claim_open():
    checked = check_claims(CLAIMS, {})
    assert list(checked["claim"]) == list(CLAIMS.claims)
    assert set(checked["verdict"]) == {"inconclusive"}
    assert checked["finding"].str.startswith("Not measured: this study has no ").all()
    assert (checked["n"] == 0).all()
    assert judged(checked).empty


@pytest.mark.parametrize("name", ONE_OF_EACH_TEST)
def test_a_missing_condition_leaves_a_claim_open_and_is_named(name):
    tables = evidence_for(name)
    replaced = {"architecture": "other", "stage": "initial", "activation": "sigmoid", "never_active": True} | {
        "small_weights_align": {"isotropic_mean_cosine": 1.0},  # All kernels are on one line.
        "similarity_predicts_cost": {"filters": 8},
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
        key: rows[rows["seed"] < 2] if "seed" in rows else rows.assign(n=2) for key, rows in evidence_for(name).items()
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
        check_claims(CLAIMS, {"runs": pd.DataFrame({"dataset": ["mnist", "digits"], "architecture": "question"})})


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
    columns = {"effect": "mean", "low": "low", "high": "high"}
    if name == "retraining_restores_accuracy":  # A test of equivalence has an interval of its own.
        columns = {"effect": "mean"}
    found = row[list(columns)].to_numpy(float)
    assert np.isclose(means[list(columns.values())], found, rtol=1e-12, atol=1e-15).all(axis=1).any()


def test_architectures_have_the_labels_of_figures_and_each_counts_even_if_two_share_one():
    name = "nearest_cosine_order_predicts_cost"
    one = CLAIMS.model_copy(update={"claims": {name: CLAIMS.claims[name]}})
    for labels, expected in (({}, "question"), ({"question": "the label"}, "the label"), (LABELS, LABELS["question"])):
        assert f" for {expected}; " in check_claims(one, evidence_for(name), labels)["finding"].iloc[0]
    same = check_claims(one, evidence_for(name, "refuted"), dict.fromkeys(LABELS, "the same"))
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
    row = verdict_of("nothing_prevents_it", {"twins": rows[rows["momentum"] == 0]})
    assert "no twins were trained with momentum in twins.csv" in row["finding"]


def test_losses_pair_by_seed_and_say_nothing_about_twins_that_did_not_stay_equal():
    rows = evidence_for("two_equal_have_a_larger_loss")["one_fewer"]
    rows["train_loss"] += 10.0 * rows["seed"]  # hides any difference that is not taken seed by seed
    assert verdict_of("two_equal_have_a_larger_loss", {"one_fewer": rows})["verdict"] == "supported"
    rows.loc[rows["second_filter"] == "twin", "twins_equal"] = False
    finding = verdict_of("two_equal_have_a_larger_loss", {"one_fewer": rows})["finding"]
    assert "the planted twins did not stay equal" in finding


def test_the_fewest_filters_of_a_claim_are_heeded():
    claim = with_parameters("no_larger_loss_without_activation", fewest_filters=4)
    tables = evidence_for(claim)
    rows = tables["one_fewer"]
    rows.loc[(rows["filters"] == 3) & (rows["second_filter"] == "twin"), "train_loss"] += 1.0
    assert verdict_of(claim, tables)["verdict"] == "supported"
    assert verdict_of("no_larger_loss_without_activation", tables)["verdict"] == "refuted"


def test_removal_is_judged_where_most_networks_have_near_duplicates():
    rows = evidence_for("redundant_add_nothing")["removal"]
    second = rows.assign(architecture="question", accuracy_decrease_merged=0.5)
    for having, verdict, n in ((SEEDS // 2, "supported", SEEDS), (6, "refuted", 6)):
        some = second.assign(near_duplicate=second["near_duplicate"] & (second["seed"] < having))
        row = verdict_of("redundant_add_nothing", {"removal": table(rows, some)})
        assert (row["verdict"], row["n"]) == (verdict, n)
    none = rows.assign(near_duplicate=False)
    assert "nothing there to test it on" in verdict_of("redundant_add_nothing", {"removal": none})["finding"]


def test_redundant_filters_can_add_nothing_and_be_missed_all_the_same():
    rows = claims_tables.removals(near=(0.02, 1e-4)).assign(accuracy_decrease_merged=0.0)
    assert verdict_of("redundant_add_nothing", {"removal": rows})["verdict"] == "supported"
    row = verdict_of("redundant_can_just_be_taken_out", {"removal": rows})
    assert row["verdict"] == "refuted"
    assert "the accuracy falls by 2.00 points" in row["finding"]


def test_alignment_must_come_from_the_small_weights():
    name = "small_weights_make_equal_filters"
    rows = evidence_for(name)["condensation"]
    rows.loc[(rows["scale"] == 1.0) & (rows["step"] == 300), "mean_cosine"] = 0.99
    assert verdict_of(name, {"condensation": rows})["verdict"] == "refuted"
    five = rows[rows["seed"].isin([0, 2, 3, 4, 5])]  # p = 1/32 is not below 0.05 / 4, of four parts
    assert verdict_of(name, {"condensation": five})["verdict"] == "inconclusive"


# The rules that all claims share


def series(*values):
    return pd.Series(values, dtype=float)


def test_intervals_and_lines():
    assert [above(1, 2, 0.5), above(1, 2, 2), above(1, 2, 1)] == [True, False, None]
    assert above(0, 0, 0) is False  # nothing is not more than nothing
    assert [within(1, 2, 1, 2), within(1, 2, 3, 4), within(1, 2, 1.5, 4)] == [True, False, None]
    assert above(np.nan, np.nan, 0) is within(np.nan, np.nan, 0, 1) is None


@pytest.mark.parametrize(
    ("values", "line", "below", "in_all", "holds", "p_value"),
    [
        ([1, 2, 3, 4], 0.0, False, 1, None, 1 / 16),  # though the interval excludes 0
        ([1, 2, 3, 4, 5], 0.0, False, 1, True, 1 / 32),
        ([-1, -2, -3, -4, -5], 0.0, False, 1, False, 1.0),
        ([-1, -2, -3, -4, -5], 0.0, False, 2, None, 1.0),  # 1/32 is not below 0.05 / 2
        ([-1, -2, -3, -4, -5], 0.0, True, 1, True, 1 / 32),
        ([1, 2, 3, 4, 5], 0.0, True, 1, False, 1.0),
        ([-0.4, -0.45, -0.5, -0.42, -0.44], -0.3, True, 1, True, 1 / 32),
        ([1, 2, np.nan, 3, 4, 5], 0.0, False, 1, True, 1 / 32),
        ([0, 0, 0, 0, 0], 0.0, False, 1, False, 1.0),  # values all equal are taken at their word
    ],
)
def test_a_direction_needs_sign_flips_to_agree(values, line, below, in_all, holds, p_value):
    (part,) = judging.direction_parts([("", series(*values))], line, below=below, in_all=in_all)
    assert (part.holds, part.p_value, part.n) == (holds, p_value, np.isfinite(values).sum())


def test_that_one_of_many_means_is_outside_a_range_is_said_at_a_stricter_level():
    near = pd.Series(0.9195 + 0.0006 * NOISE)
    assert judging.range_parts([("", near)], 0.92, 0.93)[0].holds is False
    assert judging.range_parts([("", near)] * 8, 0.92, 0.93)[0].holds is None


def test_equivalence_is_holms_and_its_opposite_needs_a_wider_interval():
    equal = paired_equivalence(0.0001 * NOISE, 0 * NOISE, 0.003)
    assert judging.margin_parts([("", equal)], [0.06])[0].holds is None
    values = 1e-3 * NOISE[:7]
    half = stats.t.ppf(1 - 0.05 / 4, 6) * float(np.std(values, ddof=1)) / np.sqrt(7)  # confidence 1 - 2 * 0.05 / 4
    for factor, expected in ((0.999, None), (1.001, False)):
        test = paired_equivalence(values - values.mean() + 1 + half * factor, np.zeros(7), 1.0)
        assert judging.margin_parts([("", test)] * 4, [1.0] * 4)[0].holds is expected


def test_shares_have_exact_bounds():
    part = judging.share_part(pd.Series([True] * 5), 0.5, seeds=pd.Series(range(5)))
    assert (part.low, part.holds, part.n) == (pytest.approx(0.05 ** (1 / 5)), True, 5)
    assert judging.share_part(pd.Series([True] * 4), 0.5, seeds=pd.Series(range(4))).holds is None


def test_the_worst_part_decides_and_gives_the_effect():
    unclear = Part("unclear", -5.0, -9.0, 1.0, 10, None, -5.0)
    failing = Part("failing", -1.0, -1.5, -0.5, 8, False, -1.0)
    worse = Part("worse", -2.0, -2.5, -1.5, 9, False, -2.0)
    outcome = judging.combine([unclear, failing, worse], "nats")
    assert (outcome.verdict, outcome.part, outcome.n) == ("refuted", worse, 8)
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
        (f"claims.{first}.said_by = 'qestion'", "'question', 'answer' or 'ours'", "did you mean 'question'?"),
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
