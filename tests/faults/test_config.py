"""A config that is wrong: all mistakes at once, exit code 1, no traceback, and nothing has run."""

from __future__ import annotations

import pytest

from filtertwins.mistakes import duplicate_keys

MISTAKES = {
    "dataset": "minst",
    "experiments": {"twinns": {}},
    "pruning": {"methods": ["l1", "tailor"], "networks": {"question": {"filters": 16, "kept": [4, 20]}}},
}
WORDS = [  # of each mistake: the key, the value, and what would be right
    ("dataset = 'minst';", "did you mean 'mnist'?"),
    ("experiments.twinns: not among the experiments;", "did you mean 'twins'?"),
    ("pruning.methods.1 = 'tailor'; not among the methods;", "did you mean 'taylor'?"),
    ("pruning.networks.question.kept = [4, 20];", "fewer than filters, 16"),
]


def test_a_config_with_many_mistakes_ends_with_all_of_them_and_no_traceback(new_tree):
    new_tree.configure("wrong.yaml", MISTAKES)
    output = new_tree.snakemake("--cores", "1", exit_code=1)
    _, message = output.split("\nerror: ")
    headline, *mistakes = message.splitlines()
    assert headline == f"the configuration has {len(WORDS)} mistakes:"
    assert all(line.startswith("  - ") for line in mistakes), output
    for words in WORDS:
        assert [mistake for mistake in mistakes if all(word in mistake for word in words)], (words, mistakes)
    assert "Traceback" not in output
    assert not (new_tree.folder / "data").exists()


def test_a_file_that_is_no_config_is_refused_in_words(new_tree):
    (new_tree.folder / "config" / "broken.yaml").write_text("seeds: [", encoding="utf-8")
    output = new_tree.snakemake("--cores", "1", "--configfile", "config/broken.yaml", exit_code=1)
    assert "Traceback" not in output
    assert "Config file" in output  # Snakemake's words


def test_a_key_that_stands_twice_is_refused_in_every_config_file_and_among_the_claims(new_tree):
    config = new_tree.folder / "config"
    for name in ("one.yaml", "two.yaml"):
        (config / name).write_text("seeds: 2\nmargins: {loss: 0.1}\nseeds: 3\n", encoding="utf-8")
    new_tree.append("config/claims.yaml", "fewest_seeds: 6\n")
    files = ("--configfile", "config/one.yaml", "config/two.yaml")
    output = new_tree.snakemake("--dry-run", *files, exit_code=1)
    headline, *mistakes = output.split("\nerror: ")[1].splitlines()
    assert headline == "the configuration has 3 mistakes:"
    for name, mistake in zip(
        ("one.yaml, line 3: seeds", "two.yaml, line 3: seeds", "claims.yaml, line"), mistakes, strict=True
    ):
        assert f"{config}/{name}" in mistake
    assert "Traceback" not in output


def test_no_file_of_the_project_has_a_key_twice(root):
    assert [duplicate_keys(path) for path in sorted((root / "config").glob("*.yaml"))] == [[], [], [], []]


@pytest.mark.parametrize(
    ("option", "rule"),
    [("pruning=null", "prune_filters"), ("experiments=null", "twins"), ("experiments={removal: null}", "removal")],
)
def test_the_command_line_switches_off_by_null(new_tree, option, rule):
    jobs = new_tree.stale("--config", "dataset=digits", option)
    assert jobs
    assert not [job for job in jobs if rule in job]
