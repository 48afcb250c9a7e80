"""Criteria, measures, tests and figures from files beside a config: what they add, and how they are refused."""

from __future__ import annotations

import copy
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config
from test_plan import QUESTION, plan
from test_settings import message_of, with_pruning

import filtertwins.figures.registry as figures
from filtertwins import extensions
from filtertwins.claims.declared import LATER, ClaimsError, read_claims
from filtertwins.claims.evidence.registry import TESTS
from filtertwins.errors import StudyError
from filtertwins.fixed import same_study
from filtertwins.names import COSINE_MERGE, RANDOM
from filtertwins.networks.weights import Parameters
from filtertwins.provenance import code_digest
from filtertwins.pruning.criteria import ACTIVATIONS, CRITERIA, TrainedNetwork, importances, methods
from filtertwins.settings import Measures, load_settings
from filtertwins.tables.likeness import MEASURES, TAKEN
from filtertwins.tables.means import means_of
from filtertwins.tables.nulls import Nulls
from filtertwins.tables.redundancy import redundancy_rows
from filtertwins.tables.selection import SELECTABLE, with_selected

REGISTRIES = (CRITERIA, MEASURES, TESTS, figures.FIGURES)
CRITERION = "from filtertwins.pruning.criteria import criterion\n"
MEASURE = "from filtertwins.tables.likeness import measure\n"
TEST = "from filtertwins.claims.evidence.registry import Table, test\n"
FIGURE = "from filtertwins.figures.registry import figure\n"
NONE: dict[str, list[int]] = {"kept": [], "steps": []}
MEAN_WEIGHT = f"{MEASURE}@measure\ndef mean_weight(kernels): return kernels.mean()\n"


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    """What a test adds is gone after it."""
    monkeypatch.setattr(extensions, "_LOADED", {})
    before = [(own, dict(own), dict(own.added)) for own in REGISTRIES]
    yield
    for own, items, added in before:
        own.clear()
        own.update(items)
        own.added = added
    ACTIVATIONS.clear()


@pytest.fixture
def load(tmp_path):
    """A function: load a file of some text."""

    def write_and_load(text, name="mine.py"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        extensions.load(name, tmp_path / name)

    return write_and_load


# Mistakes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("x = 1\ndef f(:\n", "line 2: SyntaxError: invalid syntax", id="no Python"),
        pytest.param("x = 1\n\ny = x / 0\n", "line 3: ZeroDivisionError: division by zero", id="raises"),
        pytest.param("import no_such_package\n", "line 1: ModuleNotFoundError: No module named 'no_such_", id="import"),
        pytest.param("raise ValueError('one\\n  two')\n", "line 1: ValueError: one two", id="several lines"),
        pytest.param("import sys\nsys.exit('enough')\n", "line 2: SystemExit: enough", id="exits"),
        pytest.param(f"{CRITERION}@criterion\ndef l1(trained): pass\n", "criterion l1: the name is taken", id="taken"),
        pytest.param(
            f"{CRITERION}@criterion\ndef none(trained): pass\n", "criterion none: the name is", id="no method"
        ),
        pytest.param(f"{MEASURE}@measure\ndef excess(kernels): pass\n", "measure excess: the name is", id="a column"),
        pytest.param(f"{TEST}@test()\ndef small_is_as_good(runs): pass\n", "test small_is_as_good: the", id="a test"),
        pytest.param(f"{FIGURE}@figure('')\ndef twins(runs, *, look): pass\n", "figure twins: the name is", id="drawn"),
        pytest.param(f"{CRITERION}criterion(lambda trained: 0)\n", "'<lambda>' is none", id="no name"),
        pytest.param(f"{CRITERION}@criterion\ndef f(a, b): pass\n", "criterion f(a, b): its parameters", id="two"),
        pytest.param(f"{CRITERION}@criterion\ndef f(*a): pass\n", "criterion f(*a): its parameters", id="any"),
        pytest.param(f"{MEASURE}@measure\ndef f(kernel): pass\n", "some of kernels, responses,", id="looks at"),
        pytest.param(f"{TEST}@test()\ndef f(): pass\n", "test f: its parameters must be as in", id="no table"),
        pytest.param(f"{TEST}@test()\ndef f(runs: Table, *, k): pass\n", "test f: its parameters", id="no type"),
        pytest.param(f"{FIGURE}@figure('')\ndef f(runs): pass\n", "must be as in f(table, *, look)", id="no look"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_in_one_line(load, tmp_path, text, words):
    with pytest.raises(StudyError) as caught:
        load(text)
    message = str(caught.value)
    assert message.startswith(f"mine.py in {tmp_path}, line ")
    assert words in message
    assert "\n" not in message


def test_a_file_is_looked_for_beside_the_config_that_names_it_and_a_missing_one_is_named(tmp_path, monkeypatch):
    for folder in ("configs", "repository", "here"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    first, second = (tmp_path / "configs" / f"{name}.yaml" for name in ("first", "second"))
    first.write_text("extensions: [a.py, b.py]\n", encoding="utf-8")
    second.write_text("seeds: 3\n", encoding="utf-8")

    def found(value, key="extensions"):
        places = extensions.files_beside(key, value, [first, second], tmp_path / "repository")
        return {name: path.relative_to(tmp_path).as_posix() for name, path in places.items()}

    with pytest.raises(StudyError, match=r"extensions: 'a.py' is no file in .*configs; give its path from"):
        found(["a.py", "b.py"])
    for name in ("configs/a.py", "repository/a.py", "repository/b.py", "here/a.py", "here/c.py"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert found(["a.py", "b.py"]) == {"a.py": "configs/a.py", "b.py": "repository/b.py"}
    assert found("c.py") == {"c.py": "here/c.py"}  # It is of no config file, and so of the command line.
    assert found(str(tmp_path / "here" / "a.py")) == {str(tmp_path / "here" / "a.py"): "here/a.py"}
    assert found("null") == found(None) == found(3) == found([]) == {}


def test_a_criterion_for_other_activations_is_refused_before_anything_is_pruned(load):
    load(f"{CRITERION}@criterion(activations=['relu', 'tanh'])\ndef mine(trained): return 0\n")
    message = message_of(with_pruning(methods=["l1", "mine"]), methods=methods())
    assert "pruning.networks.question: mine is for relu, tanh, and this network has linear;" in message
    assert "mine is for" in message_of(with_pruning(network={"methods": "mine"}), methods=methods())
    assert "networks.question.methods.0 = 'min'" in message_of(
        with_pruning(network={"methods": "min"}), methods=methods()
    )


def test_a_figure_of_a_table_that_the_study_does_not_make_is_refused(load):
    load(f"{FIGURE}@figure('.')\ndef mine(run_means, cost=None, *, look): pass\n")
    with pytest.raises(StudyError, match=r"figure mine reads run_means, .* did you mean 'runs_means'"):
        extensions.own_figures(["runs_means", "redundancy"])
    assert extensions.own_figures(["run_means"]) == {"8 Own mine": {"mine": (["run_means"], ["cost"])}}


@pytest.mark.parametrize("values", ["[1, 2]", "[1, 2, float('nan')]", "'abc'"])
def test_a_criterion_that_gives_no_number_for_a_filter_ends_in_a_line(load, values):
    load(f"{CRITERION}@criterion\ndef mine(trained): return {values}\n")
    network = Parameters(np.ones((1, 2, 1, 1, 3)), np.ones((1, 3)), np.ones((1, 3, 2)), np.ones((1, 2)))
    trained = TrainedNetwork(network, "relu", np.zeros((1, 2, 1, 1), np.uint8), np.zeros(1, np.uint8), 0)
    with pytest.raises(StudyError, match="mine must give a finite number for each of 3 filters"):
        importances(trained, ["mine"])


# What they add, and what stays


def test_criteria_of_ones_own_prune_in_jobs_of_their_own_and_leave_the_others_as_they_are():
    def jobs(names, own=(), **network):
        networks = {"question": {"filters": 4, "kept": [1, 2]} | network}
        pruning = {"methods": names, "fine_tuning_steps": 5, "networks": networks}
        found = plan(question=QUESTION, pruning=pruning)
        return [(name, first, seeds, how) for name, _, first, seeds, how in found.pruning.jobs(own)]

    before = jobs([RANDOM, "l1", COSINE_MERGE])
    together = {"methods": [RANDOM, "l1", COSINE_MERGE], "criteria": [RANDOM, "l1"], "kept": [1, 2, 4], "longer": NONE}
    assert before == [("question", 0, 2, together), ("question", 2, 2, together)]
    alone = {"methods": ["mine"], "criteria": ["mine"], "kept": [1, 2], "longer": NONE}
    added = [("question", 0, 2, alone), ("question", 2, 2, alone)]
    assert jobs([RANDOM, "mine", "l1", COSINE_MERGE], own={"mine"}) == before + added
    assert jobs([RANDOM, "l1", COSINE_MERGE], methods=["mine", "l1"]) == before + added
    whole = {"methods": [], "criteria": [], "kept": [4], "longer": NONE}  # the network that keeps all its filters
    assert jobs(["mine"], own={"mine"})[0][3] == whole


def test_the_selected_criterion_is_one_of_the_packages_whatever_others_there_are():
    assert set(SELECTABLE) == set(CRITERIA) - {RANDOM}
    names = [("none", 4), ("l1", 2), ("obd", 2)]
    rows = [
        {"architecture": "question", "filters": 4, "seed": seed, "kept": kept, "method": method}
        | {"fine_tuning_steps": 5, "validation_accuracy": 0.5 + 0.1 * place}
        for seed in range(3)
        for place, (method, kept) in enumerate([*names, ("mine", 2)])
    ]
    table = pd.DataFrame(rows)
    both = (table, table[table["method"] != "mine"])
    selected, without = (with_selected(own).query("method == 'selected'").reset_index(drop=True) for own in both)
    assert set(selected["validation_accuracy"]) == {0.7}
    pd.testing.assert_frame_equal(selected, without)


def test_a_measure_is_a_column_beside_its_null_and_strangers_and_changes_no_other(load, make_chunk, rng):
    chunk = make_chunk(rng.normal(size=(3, 3, 1, 4)))
    nulls = Nulls(Measures(null_draws=100, cluster_null_draws=20), np.full((1, 9, 9, 1), 255, np.uint8))
    before = pd.DataFrame(redundancy_rows(chunk, nulls).redundancy)
    assert {name for name in before if not name.startswith(("null_", "strangers_", "isotropic_"))} <= set(TAKEN)
    load(MEAN_WEIGHT)
    nulls.of.cache_clear()
    after = pd.DataFrame(redundancy_rows(chunk, nulls).redundancy)
    pd.testing.assert_frame_equal(after[before.columns], before)
    beside = ["null_mean_weight", "null_mean_weight_low", "null_mean_weight_high", "strangers_mean_weight"]
    assert [name for name in after if name not in before] == ["mean_weight", *beside]
    expected = [kernels.mean() for kernels in chunk.parameters.kernels]
    np.testing.assert_allclose(after.query("stage == 'trained'")["mean_weight"], expected, rtol=1e-6)
    means, without = (means_of("redundancy", table) for table in (after, before))
    pd.testing.assert_frame_equal(means[means["measure"] != "mean_weight"].reset_index(drop=True), without)
    assert means.query("measure == 'mean_weight'")["null_low"].notna().all()


def test_a_job_loads_the_files_that_it_uses_and_their_content_is_in_its_digest(load, tmp_path):
    load(MEAN_WEIGHT, "one.py")
    load(f"{CRITERION}@criterion\ndef mine(trained): return 0\n", "two.py")
    load("raise SystemExit\n", "one.py")  # It is there already.
    assert extensions.files("measure", "test") == ["one.py"]
    assert extensions.files("measure", "criterion", among=["mine"]) == ["two.py"]
    assert extensions.named(["filtertwins.names", "two.py"]) == {"extensions": ["two.py"]}
    assert extensions.named(["filtertwins.names"]) == {}
    script, source = tmp_path / "script.py", Path(extensions.__file__).parents[1]
    script.write_text("x = 1\n", encoding="utf-8")
    digests = {code_digest(script, source, extensions.located(own)) for own in ([], ["one.py"], ["two.py"])}
    assert len(digests) == 3
    config = {"extensions": {"two.py": str(tmp_path / "two.py")}}
    del CRITERIA["mine"]
    extensions._LOADED.clear()
    extensions.load_for(types.SimpleNamespace(params=types.SimpleNamespace(), config=config))
    assert "mine" not in CRITERIA
    extensions.load_for(types.SimpleNamespace(params=types.SimpleNamespace(extensions=["two.py"]), config=config))
    assert "mine" in CRITERIA


CLAIM = """\
fewest_seeds: {seeds}
claims:
  {name}:
    said_by: ours
    statement: So it is
    rung: nothing
    figure: twins
    test: duplicates_occur
    parameters: {{networks: {{question: [2]}}}}
    answers: {{supported: "Yes.", refuted: "No."}}
"""


def test_claims_may_be_in_several_files_each_claim_in_one(tmp_path):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(CLAIM.format(name="first", seeds=5), encoding="utf-8")
    two.write_text(CLAIM.format(name="second", seeds=3), encoding="utf-8")
    found = read_claims(one, two)
    assert (list(found.claims), found.fewest_seeds) == (["first", "second"], 5)
    assert [claim.exploratory for claim in found.claims.values()] == [None, LATER]
    two.write_text(CLAIM.format(name="second", seeds=3).partition("\n")[2], encoding="utf-8")
    assert read_claims(one, two) == found
    two.write_text(CLAIM.format(name="first", seeds=3), encoding="utf-8")
    with pytest.raises(ClaimsError, match=r"two.yaml: first: another file has a claim of this name"):
        read_claims(one, two)
    two.write_text("- no section\n", encoding="utf-8")
    with pytest.raises(ClaimsError, match=r"two.yaml holds"):
        read_claims(one, two)


def test_a_study_with_further_methods_and_claims_is_still_the_one_that_was_fixed_but_for_these_claims(root):
    default = yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))
    further = {"claims": ["config/claims.yaml", "mine.yaml"], "extensions": "mine.py"}

    def same(**changes):
        config = copy.deepcopy(default)
        update_config(config, changes)
        return same_study(load_settings(config), load_settings(default))

    assert same(**further, pruning={"networks": {"relu_5x5": {"methods": "mine"}}})
    assert not same(**further, pruning={"images": 3})
    assert not same(claims=["mine.yaml", "config/claims.yaml"])
