"""A config that is wrong: all mistakes at once, exit code 1, no traceback, and nothing has run."""

from __future__ import annotations

MISTAKES = {
    "seeds": 0,
    "dataset": "minst",
    "colour": "red",
    "architectures": {"question": {"activation": "rleu"}, "relu_3x1": {"epochs": 3}},
    "experiments": {"twinns": {}},
    "pruning": {"methods": ["l1", "tailor"], "networks": {"question": {"filters": 16, "kept": [4, 20]}}},
}
WORDS = [  # of each mistake: the key, the value, and what would be right
    ("seeds = 0;", "greater than 0"),
    ("dataset = 'minst';", "did you mean 'mnist'?"),
    ("colour: unknown key;", "allowed: datasets, dataset, seeds"),
    ("architectures.question.activation = 'rleu';", "did you mean 'relu'?"),
    ("architectures.relu_3x1.epochs = 3;", "give either steps or epochs"),
    ("experiments.twinns: unknown experiment;", "did you mean 'twins'?"),
    ("pruning.methods.tailor: unknown method;", "did you mean 'taylor'?"),
    ("pruning.networks.question.kept = [4, 20];", "allowed: 1 to 15"),
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
