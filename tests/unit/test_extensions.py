"""Criteria, measures, tests and figures from files beside a config: what they add, and how they are refused."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config
from test_settings import message_of, with_pruning

import filtertwins.figures.registry as figures
from filtertwins import extensions
from filtertwins.claims.declared import LATER, ClaimsError, read_claims
from filtertwins.claims.evidence.registry import TESTS
from filtertwins.errors import StudyError
from filtertwins.fixed import same_study
from filtertwins.names import RANDOM
from filtertwins.networks.weights import Parameters
from filtertwins.pruning.criteria import ACTIVATIONS, CRITERIA, TrainedNetwork, importances, methods
from filtertwins.settings import load_settings
from filtertwins.tables.likeness import MEASURES
from filtertwins.tables.selection import SELECTABLE, with_selected

REGISTRIES = (CRITERIA, MEASURES, TESTS, figures.FIGURES)
CRITERION = "from filtertwins.pruning.criteria import criterion\n"
MEASURE = "from filtertwins.tables.likeness import measure\n"
TEST = "from filtertwins.claims.evidence.registry import Table, test\n"
FIGURE = "from filtertwins.figures.registry import figure\n"


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

    def write_and_load(text):
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
        extensions.load("mine.py", tmp_path / "mine.py")

    return write_and_load


# Mistakes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("x = 1\ndef f(:\n", "line 2: SyntaxError: invalid syntax", id="no Python"),
        pytest.param("x = 1\n\ny = x / 0\n", "line 3: ZeroDivisionError: division by zero", id="raises"),
        pytest.param("import sys\nsys.exit('enough')\n", "line 2: SystemExit: enough", id="exits"),
        pytest.param(f"{CRITERION}@criterion\ndef l1(trained): pass\n", "criterion l1: the name is taken", id="taken"),
        pytest.param(f"{MEASURE}@measure\ndef excess(kernels): pass\n", "measure excess: the name is", id="a column"),
        pytest.param(f"{CRITERION}criterion(lambda trained: 0)\n", "'<lambda>' is none", id="no name"),
        pytest.param(f"{CRITERION}@criterion\ndef f(a, b): pass\n", "criterion f(a, b): its parameters", id="two"),
        pytest.param(f"{MEASURE}@measure\ndef f(kernel): pass\n", "some of kernels, responses,", id="looks at"),
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


@pytest.mark.parametrize("values", ["[1, 2]", "'abc'"])
def test_a_criterion_that_gives_no_number_for_a_filter_ends_in_a_line(load, values):
    load(f"{CRITERION}@criterion\ndef mine(trained): return {values}\n")
    network = Parameters(np.ones((1, 2, 1, 1, 3)), np.ones((1, 3)), np.ones((1, 3, 2)), np.ones((1, 2)))
    trained = TrainedNetwork(network, "relu", np.zeros((1, 2, 1, 1), np.uint8), np.zeros(1, np.uint8), 0)
    with pytest.raises(StudyError, match="mine must give a finite number for each of 3 filters"):
        importances(trained, ["mine"])


# What they add, and what stays


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
