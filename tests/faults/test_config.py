"""A config that is wrong: all mistakes at once, exit code 1, no traceback, and nothing has run."""

from __future__ import annotations

import re

import pytest
import yaml

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
    assert "not valid JSON or YAML" in output  # Snakemake's words


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
    paths = sorted((root / "config").glob("*.yaml"))
    assert len(paths) > 3
    assert not [mistake for path in paths for mistake in duplicate_keys(path)]


@pytest.mark.parametrize(
    ("option", "off", "on"),
    [
        (["pruning=null", "experiments={removal: null}"], ["pruning", "removal"], ["twins"]),
        (["experiments=null"], ["twins", "removal"], ["pruning"]),
    ],
)
def test_the_command_line_switches_off_by_null(new_tree, option, off, on):
    planned = new_tree.snakemake("--dry-run", "--config", "dataset=digits", *option)
    for table in ["runs", *on]:
        assert f"results/digits/{table}.csv" in planned, table
    for table in off:
        assert f"results/digits/{table}.csv" not in planned, table


OF_ONES_OWN = """\
only: true
dataset: digits
seeds: 1
architectures:
  mine: {kernel: [3, 1], activation: relu, learning_rate: 1e-3, batch: 1e2, steps: 5, filters: [1, 2]}
  question: {batch: 100, steps: 5, filters: 2}
"""


def test_a_study_of_ones_own_is_a_file_of_ten_lines_and_prints_what_was_judged_only(new_tree):
    new_tree.configure("mine.yaml", {})
    (new_tree.folder / "config" / "mine.yaml").write_text(OF_ONES_OWN, encoding="utf-8")
    output = new_tree.snakemake("--cores", "2")
    weights = new_tree.folder / "results" / "digits" / "weights"
    assert {path.name for path in weights.iterdir()} == {"mine", "question"}
    assert "filters end up the same: of" in output
    assert "Claims: none are judged" in output
    claims = yaml.safe_load((new_tree.folder / "config" / "claims.yaml").read_text(encoding="utf-8"))
    claims["claims"] = {name: claims["claims"][name] for name in ("exact_duplicates", "nothing_prevents_it")}
    new_tree.configure("claims of mine.yaml", claims | {"fewest_seeds": 1})
    new_tree.overlays = ("config/mine.yaml",)
    output = new_tree.snakemake("--cores", "2", "--config", "claims=config/claims of mine.yaml")
    assert "Claims: 0 supported, 0 refuted, 0 inconclusive" in output
    assert "   2 of 2 claims are not about this study, or need more seeds" in output
    new_tree.append("config/claims of mine.yaml", "clams: {}\n")
    output = new_tree.snakemake("--cores", "1", "--config", "claims=config/claims of mine.yaml", exit_code=1)
    assert "clams: unknown key" in output


def test_a_second_configfile_that_would_hide_the_first_is_refused(new_tree):
    files = ("--configfile", "config/quickstart.yaml", "--cores", "1", "--configfile", "config/epochs.yaml")
    output = new_tree.snakemake(*files, exit_code=1)
    assert output.strip().splitlines()[-1].startswith("error: --configfile stands twice")


def test_jobs_ask_for_the_memory_that_they_need_in_the_unit_of_the_site(new_tree):
    new_tree.append("Snakefile", "\nprint({unit: own(None, 2) for unit, own in asks(Need(2400, 60)).items()})\n")
    run = ("--list-rules", "--default-resources", "mem_mb=2000*attempt")
    assert "{'mem_mb': 5000, 'runtime': 30}" in new_tree.snakemake(*run)
    assert "{'mem_mb_per_cpu': 5000, 'runtime': 30}" in new_tree.snakemake(*run, "mem_mb_per_cpu=1000")


def test_documented_commands_can_be_combined_as_they_stand(root):
    """Targets come before options, and nothing follows the files of --configfile."""
    pages = ("README.md", "CONTRIBUTING.md", "Snakefile", "Makefile", "config/config.yaml", "config/epochs.yaml")
    texts = [(root / page).read_text(encoding="utf-8") for page in (*pages, "docs/config.md", "docs/cluster.md")]
    lines = [
        line for text in texts for line in re.findall(r"(?<![\w/-])snakemake (.*?)(?: {2,}|`|$)", text, re.MULTILINE)
    ]
    assert len(lines) > 15
    for line in lines:
        assert not re.search(r" -.*\b(all|figures|tables)\b(?!/)", f" {line}"), line
        assert re.fullmatch(r"[^ ]+\.yaml( [^ ]+\.yaml)*|\.\.\.", line.partition("--configfile ")[2] or "..."), line
