"""The configuration: what is valid, and that every mistake is reported, at once and helpfully."""

from __future__ import annotations

import contextlib
import copy
import json
import math

import jsonschema
import pytest
import yaml
from pydantic import ValidationError
from snakemake.utils import update_config

from filtertwins.errors import StudyError
from filtertwins.pruning.criteria import METHODS
from filtertwins.settings import Settings, SettingsError, Start, json_schema, load_settings

ARCHITECTURE = {
    "kernel": [3, 1],
    "activation": "linear",
    "learning_rate": 1e-3,
    "batch": 64,
    "steps": 100,
    "filters": [1, 2, 4],
}


def read_config(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def overlays(root):
    """All configurations beside the default one."""
    others = ("config.yaml", "claims.yaml")
    return sorted(path.name for path in (root / "config").glob("*.yaml") if path.name not in others)


def rule_files(root):
    """The names of the experiments that the workflow has."""
    return {path.stem for path in (root / "workflow" / "rules" / "experiments").glob("*.smk")}


def small_config(**changes):
    """A valid configuration of its own; ``changes`` replace top-level keys."""
    config = {
        "dataset": "digits",
        "seeds": 4,
        "seeds_per_chunk": 2,
        "architectures": {"question": ARCHITECTURE},
        "datasets": {"digits": {"kind": "embedded"}},
    }
    return copy.deepcopy(config) | changes


def with_architecture(**changes):
    return small_config(architectures={"question": ARCHITECTURE | changes})


def with_experiment(name="twins", architecture=(), **options):
    """A configuration with one experiment, of one architecture with 2 or 4 filters."""
    architectures = {"linear": ARCHITECTURE | {"filters": [2, 4]} | dict(architecture)}
    return small_config(experiments={name: {"architectures": architectures} | options})


def message_of(config, experiments=None):
    with pytest.raises(SettingsError) as caught:
        load_settings(config, experiments)
    return str(caught.value)


def assert_mistakes(message, expected):
    """There is one line for each of these, which starts with its first text and holds the others; and no other line."""
    lines = message.splitlines()[1:]
    for key, *parts in expected:
        matching = [line for line in lines if line.startswith(f"  - {key}")]
        assert len(matching) == 1, f"{key} in\n{message}"
        for part in parts:
            assert part in matching[0]
    assert len(lines) == len(expected), message


@pytest.fixture(scope="module")
def whole_config(root):
    return read_config(root / "config" / "config.yaml")


def test_the_default_configuration_is_the_mnist_study(whole_config):
    settings = load_settings(whole_config)
    assert settings.dataset == "mnist"
    assert settings.dataset_settings.kind == "idx"
    assert settings.studied["question"].filters == (1, 2, 4, 8, 16, 32, 64, 100, 128)
    assert settings.studied["question"].learning_rate == 1e-4
    assert settings.studied["relu_5x5"].kernel == (5, 5)


def test_every_overlay_loads_over_the_default_configuration(root, whole_config):
    names = overlays(root)
    assert "quickstart.yaml" in names
    for name in names:
        config = copy.deepcopy(whole_config)
        update_config(config, read_config(root / "config" / name))  # as Snakemake merges config files
        settings = load_settings(config, rule_files(root))
        assert settings.studied, name


def test_the_quickstart_needs_no_download_and_switches_an_architecture_off(root, whole_config):
    config = copy.deepcopy(whole_config)
    update_config(config, read_config(root / "config" / "quickstart.yaml"))
    settings = load_settings(config)
    assert settings.dataset_settings.kind == "embedded"
    assert "relu_3x1" in settings.architectures
    assert "relu_3x1" not in settings.studied


def test_an_architecture_of_null_is_switched_off():
    settings = load_settings(small_config(architectures={"on": ARCHITECTURE, "off": None}))
    assert list(settings.studied) == ["on"]


def test_at_least_one_architecture_is_on():
    assert "at least one architecture" in message_of(small_config(architectures={"off": None}))
    assert "at least one architecture" in message_of(small_config(architectures={}))


def test_all_mistakes_are_reported_at_once_with_key_value_and_what_is_allowed():
    message = message_of(
        small_config(
            dataset="digit",
            seeds=0,
            seeds_per_chunk="many",
            snapshots=1,
            gallary={},
            measures={"near_duplicate_threshold": 1.5, "null_draws": 10, "threshold_curve": [0.9, 0.8], "sed": 1},
            architectures={
                "question": ARCHITECTURE
                | {"kernel": [3, 99], "activation": "rleu", "optimizer": "adamm", "filters": [4, 2], "batch": -1},
                "3x1": ARCHITECTURE,
            },
        )
    )
    lines = message.splitlines()
    assert lines[0] == f"the configuration has {len(lines) - 1} mistakes:"
    expected = [
        ("dataset = 'digit'", "allowed: digits", "did you mean 'digits'?"),
        ("seeds = 0", "greater than 0"),
        ("seeds_per_chunk = 'many'", "valid integer"),
        ("snapshots = 1", "greater than or equal to 2"),
        ("gallary: unknown key", "allowed: datasets, dataset, seeds,", "did you mean 'gallery'?"),
        ("measures.near_duplicate_threshold = 1.5", "less than 1"),
        ("measures.null_draws = 10", "greater than or equal to 100"),
        ("measures.threshold_curve = [0.9, 0.8]", "must increase"),
        ("measures.sed: unknown key", "did you mean 'seed'?"),
        ("architectures.question.kernel.1 = 99", "less than or equal to 28"),
        (
            "architectures.question.activation = 'rleu'",
            "allowed: 'linear', 'relu' or 'tanh'",
            "did you mean 'relu'?",
        ),
        ("architectures.question.optimizer = 'adamm'", "'adam'", "did you mean 'adam'?"),
        ("architectures.question.filters = [4, 2]", "must increase, each value once"),
        ("architectures.question.batch = -1", "greater than 0"),
        ("architectures.3x1",),
    ]
    assert_mistakes(message, expected)


def test_one_mistake_is_called_one_mistake():
    assert message_of(small_config(seeds=-1)).startswith("the configuration has one mistake:\n  - seeds = -1")


def test_a_settings_error_is_shown_without_a_traceback():
    assert issubclass(SettingsError, StudyError)


def test_an_unknown_key_of_a_nested_section_is_answered_with_its_keys():
    message = message_of(with_architecture(learning_rat=1.0))
    assert "architectures.question.learning_rat: unknown key; allowed: kernel, activation," in message
    assert "did you mean 'learning_rate'?" in message


def test_a_missing_key_is_named():
    incomplete = {key: value for key, value in ARCHITECTURE.items() if key not in ("batch", "kernel")}
    message = message_of(small_config(architectures={"question": incomplete}))
    assert "architectures.question.kernel: missing" in message
    assert "architectures.question.batch: missing" in message


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("key", ["learning_rate", "weight_decay"])
def test_numbers_must_be_finite(key, value):
    message = message_of(with_architecture(**{"optimizer": "sgd", key: value}))
    assert f"architectures.question.{key} = {value}; must be a finite number" in message


def test_a_section_given_as_a_value_is_refused():
    assert "measures = 5; must be a section" in message_of(small_config(measures=5))
    assert "architectures = 'question'; must be a section" in message_of(small_config(architectures="question"))


def test_an_empty_configuration_names_every_missing_key():
    message = message_of({})
    for key in ("datasets", "dataset", "seeds", "architectures"):
        assert f"  - {key}: missing" in message


def paths_of(node, path=()):
    """Every place in a configuration."""
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from paths_of(value, (*path, key))


@pytest.mark.parametrize("value", [5, -1.5, "text", "", None, True, [], [1, "a"], {}, {"a": 1}, {1: 2}, {None: None}])
def test_whatever_stands_anywhere_is_accepted_or_answered_by_a_settings_error(whole_config, value):
    paths = [path for path in paths_of(whole_config) if path]
    assert len(paths) > 40
    for path in paths:
        config = copy.deepcopy(whole_config)
        node = config
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
        with contextlib.suppress(SettingsError):  # and nothing else
            load_settings(config)


@pytest.mark.parametrize(("steps", "epochs"), [(100, 2), (None, None)])
def test_steps_and_epochs_exclude_each_other(steps, epochs):
    message = message_of(with_architecture(steps=steps, epochs=epochs))
    assert "architectures.question.epochs" in message
    assert "give either steps or epochs" in message


def test_steps_or_epochs_alone_are_enough():
    assert load_settings(with_architecture(steps=5)).studied["question"].epochs is None
    in_epochs = load_settings(with_architecture(steps=None, epochs=5)).studied["question"]
    assert (in_epochs.steps, in_epochs.epochs) == (None, 5)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_momentum_is_of_sgd_only(optimizer):
    message = message_of(with_architecture(optimizer=optimizer, momentum=0.9))
    assert "architectures.question.momentum = 0.9; is an option of optimizer: sgd only" in message
    assert load_settings(with_architecture(optimizer="sgd", momentum=0.9)).studied["question"].momentum == 0.9
    assert load_settings(with_architecture(optimizer=optimizer, momentum=0.0))


def test_weight_decay_is_not_of_adam():
    message = message_of(with_architecture(optimizer="adam", weight_decay=0.01))
    assert "architectures.question.weight_decay = 0.01; needs optimizer: adamw or sgd" in message
    for optimizer in ("adamw", "sgd"):
        settings = load_settings(with_architecture(optimizer=optimizer, weight_decay=0.01))
        assert settings.studied["question"].weight_decay == 0.01


@pytest.mark.parametrize("filters", [[], [2, 2], [4, 1], [0, 1]])
def test_filter_counts_are_positive_and_increase(filters):
    assert "architectures.question.filters" in message_of(with_architecture(filters=filters))


@pytest.mark.parametrize("name", ["3x1", "../up", "with space", "a-b", ""])
def test_a_name_that_does_not_fit_a_file_name_is_refused(name):
    with pytest.raises(SettingsError):
        load_settings(small_config(architectures={name: ARCHITECTURE}))


def test_the_gallery_shows_a_trained_seed():
    assert load_settings(small_config(gallery={"seed": 3})).gallery.seed == 3
    assert "gallery.seed must be a trained seed, 0 to 3" in message_of(small_config(gallery={"seed": 4}))


def test_the_default_gallery_seed_is_checked_only_where_seeds_are_right():
    message = message_of(small_config(seeds="x"))
    assert "one mistake" in message


# Experiments


def test_the_study_has_every_experiment_that_there_is_a_rule_file_for(root, whole_config):
    assert set(load_settings(whole_config, rule_files(root)).experiments) == rule_files(root)


def test_kernel_shapes_are_trained_like_the_studys_own(whole_config):
    settings = load_settings(whole_config)
    own = settings.studied["relu_5x5"]
    for name, item in settings.experiments["kernel_shapes"].studied.items():
        activation, shape = name.split("_")
        assert item == own.model_copy(
            update={"activation": activation, "kernel": tuple(map(int, shape.split("x"))), "filters": item.filters}
        )
        assert name not in settings.studied  # their rows stand in one table


def test_an_experiment_that_says_nothing_trains_nothing_and_starts_plainly():
    (experiment,) = load_settings(small_config(experiments={"removal": {}}), ["removal"]).experiments.values()
    assert (experiment.studied, experiment.seeds) == ({}, None)
    assert experiment.starts == (Start(scale=1.0, second_filter="own", epsilon=0.0),)


def test_an_experiment_or_its_architecture_of_null_is_switched_off():
    config = with_experiment()
    config["experiments"] |= {"controls": None}
    config["experiments"]["twins"]["architectures"] |= {"relu": None}
    settings = load_settings(config, ["controls", "twins"])
    assert settings.experiments["controls"] is None
    assert list(settings.experiments["twins"].studied) == ["linear"]


def test_an_overlay_changes_what_it_names_and_replaces_lists_of_starts(whole_config):
    config = copy.deepcopy(whole_config)
    overlay = {
        "removal": None,
        "twins": {
            "seeds": 3,
            "starts": [{"scale": 2}],
            "architectures": {"relu_sgd": None, "linear_sgd": {"steps": 7}},
        },
    }
    update_config(config, {"experiments": overlay})  # as Snakemake merges config files
    before, after = load_settings(whole_config).experiments, load_settings(config).experiments
    assert after["removal"] is None
    twins = after["twins"]
    assert (twins.seeds, twins.starts) == (3, (Start(scale=2),))
    assert set(before["twins"].studied) - set(twins.studied) == {"relu_sgd"}
    assert twins.studied["linear_sgd"] == before["twins"].studied["linear_sgd"].model_copy(update={"steps": 7})
    assert after["controls"] == before["controls"]


def test_an_unknown_experiment_is_answered_with_those_there_are_also_where_it_is_off():
    config = small_config(seeds=0, experiments={"twns": {}, "remov": None, "xyz": {"seeds": 0}})
    expected = [
        ("seeds = 0", "greater than 0"),
        ("experiments.twns: unknown experiment", "allowed: removal, twins;", "did you mean 'twins'?"),
        ("experiments.remov: unknown experiment", "allowed: removal, twins;", "did you mean 'removal'?"),
        ("experiments.xyz: unknown experiment; allowed: removal, twins",),
        ("experiments.xyz.seeds = 0", "greater than 0"),
    ]
    assert_mistakes(message_of(config, {"twins", "removal"}), expected)
    assert "did you mean" not in next(line for line in message_of(config, ["twins"]).splitlines() if "xyz:" in line)


def test_an_unknown_experiment_is_a_mistake_also_where_all_else_is_right():
    message = message_of(small_config(experiments={"twns": {}}), ["twins"])
    assert message.startswith("the configuration has one mistake:\n  - experiments.twns: unknown experiment;")


def test_where_the_experiments_are_not_given_all_names_are_known():
    assert "twns" in load_settings(small_config(experiments={"twns": {}})).experiments


@pytest.mark.parametrize("value", [None, 3, "twins", ["twins"]])
def test_experiments_are_a_section(value):
    message = message_of(small_config(experiments=value), ["twins"])
    assert_mistakes(message, [(f"experiments = {value!r}; must be a section",)])


def test_all_mistakes_in_experiments_are_reported_with_key_value_and_what_is_allowed():
    message = message_of(
        small_config(
            margins={"accuracy": 1.0, "loss": 0, "los": 1},
            experiments={
                "twins": {
                    "seeds": 0,
                    "stats": [],
                    "architectures": {
                        "a/b": ARCHITECTURE,
                        "relu": ARCHITECTURE
                        | {"activation": "rleu", "dropout": 1.0, "freeze_kernels": 7, "shuffle_labels": "x", "drop": 0},
                        "twice": ARCHITECTURE | {"epochs": 2},
                    },
                },
                "removal": 5,
                "controls": {"starts": 5},
                "condensation": {"starts": []},
            },
        )
    )
    expected = [
        ("margins.accuracy = 1.0", "less than 1"),
        ("margins.loss = 0", "greater than 0"),
        ("margins.los: unknown key", "allowed: accuracy, loss;", "did you mean 'loss'?"),
        ("experiments.twins.seeds = 0", "greater than 0"),
        ("experiments.twins.stats: unknown key", "allowed: architectures, starts, seeds;", "did you mean 'starts'?"),
        ("experiments.twins.architectures.a/b",),
        ("experiments.twins.architectures.relu.activation = 'rleu'", "did you mean 'relu'?"),
        ("experiments.twins.architectures.relu.dropout = 1.0", "less than 1"),
        ("experiments.twins.architectures.relu.freeze_kernels = 7", "boolean"),
        ("experiments.twins.architectures.relu.shuffle_labels = 'x'", "boolean"),
        ("experiments.twins.architectures.relu.drop: unknown key", "did you mean 'dropout'?"),
        ("experiments.twins.architectures.twice.epochs = 2", "either steps or epochs"),
        ("experiments.removal = 5", "must be a section"),
        ("experiments.controls.starts = 5", "tuple"),
        ("experiments.condensation.starts = []", "at least 1 item"),
    ]
    assert_mistakes(message, expected)


@pytest.mark.parametrize(
    ("start", "parts"),
    [
        ({"scale": 0}, ["scale = 0; ", "greater than 0"]),
        ({"scale": -0.5}, ["scale = -0.5; ", "greater than 0"]),
        ({"scale": math.inf}, ["scale = inf; must be a finite number"]),
        (
            {"second_filter": "twinn"},
            ["second_filter = 'twinn'; allowed: 'own', 'twin', 'half_twin' or 'silent'", "'twin'?"],
        ),
        (
            {"second_filtr": "twin"},
            ["second_filtr: unknown key; allowed: scale, second_filter, epsilon;", "'second_filter'?"],
        ),
        ({"second_filter": "twin", "epsilon": -1e-3}, ["epsilon = -0.001; ", "greater than or equal to 0"]),
        ({"second_filter": "twin", "epsilon": math.nan}, ["epsilon = nan; must be a finite number"]),
        ({"epsilon": 1e-3}, ["epsilon = 0.001; is an option of second_filter: twin only"]),
        (
            {"second_filter": "half_twin", "epsilon": 1e-3},
            ["epsilon = 0.001; is an option of second_filter: twin only"],
        ),
        ({"second_filter": "silent", "epsilon": 1e-3}, ["epsilon = 0.001; is an option of second_filter: twin only"]),
    ],
)
def test_a_mistaken_start_is_named_by_its_place(start, parts):
    lines = message_of(with_experiment(starts=[{}, start])).splitlines()
    (line,) = [line for line in lines if line.startswith("  - experiments.twins.starts.1.")]
    assert line.startswith(f"  - experiments.twins.starts.1.{parts[0]}")
    assert all(part in line for part in parts)


def test_a_start_of_nothing_or_of_near_twins_is_right():
    starts = [{}, {"second_filter": "twin", "epsilon": 1e-7}, {"second_filter": "half_twin", "epsilon": 0}]
    settings = load_settings(with_experiment(starts=starts))
    assert settings.experiments["twins"].starts == tuple(Start.model_validate(start) for start in starts)


@pytest.mark.parametrize("second", ["twin", "half_twin", "silent"])
def test_a_second_filter_needs_architectures_of_two_or_more(second):
    starts = [{}, {"second_filter": second}]
    message = message_of(with_experiment(architecture={"filters": [1, 4]}, starts=starts))
    assert_mistakes(message, [("experiments.twins.starts = [{}, {", f"'{second}'", "2 or more filters")])
    assert load_settings(with_experiment(architecture={"filters": [1, 4]}, starts=[{"scale": 0.1}]))
    assert load_settings(with_experiment(starts=starts))


def test_every_architecture_that_is_on_needs_the_second_filter():
    config = with_experiment(starts=[{"second_filter": "twin"}])
    architectures = config["experiments"]["twins"]["architectures"]
    architectures["off"] = None
    assert load_settings(config)
    architectures["single"] = ARCHITECTURE | {"filters": [1]}
    assert "2 or more filters" in message_of(config)


def test_starts_are_not_judged_by_mistaken_architectures():
    config = with_experiment(architecture={"filters": [0]}, starts=[{"second_filter": "twin"}])
    assert not [line for line in message_of(config).splitlines() if "starts" in line]


@pytest.mark.parametrize("seeds", [None, 3, 9])
def test_an_experiment_may_have_seeds_of_its_own(seeds):
    settings = load_settings(with_experiment(seeds=seeds))  # the study has 4, two in a chunk
    found = settings.chunks(settings.experiments["twins"].seeds)
    assert (
        found
        == {
            None: [(0, 2), (2, 2)],
            3: [(0, 2), (2, 1)],
            9: [(0, 2), (2, 2), (4, 2), (6, 2), (8, 1)],
        }[seeds]
    )


def test_margins_are_decided_in_the_configuration():
    assert load_settings(small_config()).margins.model_dump() == {"accuracy": 0.003, "loss": 0.005}
    settings = load_settings(small_config(margins={"accuracy": 0.01}))
    assert settings.margins.accuracy == 0.01


def test_an_idx_dataset_needs_its_checksums(whole_config):
    config = copy.deepcopy(whole_config)
    config["datasets"]["mnist"]["files"]["train_images"]["sha256"] = "BA89"
    config["datasets"]["mnist"]["mirrors"] = []
    message = message_of(config)
    assert "datasets.mnist.files.train_images.sha256 = 'BA89'" in message
    assert "datasets.mnist.mirrors = []" in message


def test_an_unknown_kind_of_dataset_is_answered_with_the_two_kinds():
    assert "must be 'idx' or 'embedded'" in message_of(small_config(datasets={"digits": {"kind": "embeded"}}))


@pytest.mark.parametrize(
    ("seeds", "seeds_per_chunk", "expected"),
    [
        (4, 2, [(0, 2), (2, 2)]),
        (5, 2, [(0, 2), (2, 2), (4, 1)]),
        (3, 10, [(0, 3)]),
        (1, 1, [(0, 1)]),
    ],
)
def test_chunks_are_blocks_of_seeds(seeds, seeds_per_chunk, expected):
    assert load_settings(small_config(seeds=seeds, seeds_per_chunk=seeds_per_chunk)).chunks() == expected


def test_settings_are_frozen():
    settings = load_settings(small_config())
    with pytest.raises(ValidationError, match="frozen"):
        settings.seeds = 5
    with pytest.raises(ValidationError, match="frozen"):
        settings.studied["question"].batch = 5
    with pytest.raises(ValidationError, match="frozen"):
        settings.measures.seed = 5


def test_loading_does_not_change_the_configuration():
    config = small_config()
    before = copy.deepcopy(config)
    load_settings(config)
    assert config == before


def test_settings_survive_json():
    settings = load_settings(small_config())
    assert Settings.model_validate(json.loads(settings.model_dump_json())) == settings


def test_the_schema_for_editors_is_in_step_with_the_settings(root):
    path = root / "workflow" / "schemas" / "config.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == json_schema(), f"{path.name} is old; run `make schema`"


def test_config_files_validate_against_the_schema(root):
    schema = json_schema()
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for name in ["config.yaml", *overlays(root)]:
        config = json.loads(json.dumps(read_config(root / "config" / name)))  # YAML's merge keys resolved
        assert [error.message for error in validator.iter_errors(config)] == [], name


@pytest.mark.parametrize(
    "mistake",
    [
        {"sedes": 5},
        {"architectures": {"question": {"activation": "rleu"}}},
        {"architectures": {"question": {"batsch": 5}}},
        {"measures": {"null_draws": 7}},
        {"experiments": {"twins": {"starts": [{"second_filter": "twinn"}]}}},
        {"experiments": {"twins": {"starts": []}}},
        {"experiments": {"twins": {"architectures": {"linear_sgd": {"dropout": 1}}}}},
        {"margins": {"loss": 0}},
        {"datasets": {"mnist": {"kind": "idxx"}}},
    ],
)
def test_the_schema_catches_mistakes_in_an_overlay_too(mistake):
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(mistake))


def test_the_schema_asks_an_overlay_for_no_key_but_the_kind_of_a_new_dataset():
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid({})
    assert validator.is_valid({"architectures": {"question": {"steps": 5}, "relu_5x5": None}})
    assert validator.is_valid({"experiments": {"removal": None, "twins": {"architectures": {"linear_sgd": None}}}})


@pytest.mark.parametrize("name", ["config.yaml", "quickstart.yaml"])
def test_config_files_point_editors_to_the_schema(root, name):
    first_line = (root / "config" / name).read_text(encoding="utf-8").splitlines()[0]
    path = first_line.removeprefix("# yaml-language-server: $schema=")
    assert (root / "config" / path).resolve() == (root / "workflow/schemas/config.schema.json").resolve()


def test_a_mistake_in_a_list_is_reported_once():
    message = message_of(small_config(experiments={"condensation": {"starts": [{"scale": -1}]}}))
    assert_mistakes(message, [("experiments.condensation.starts.0.scale = -1", "greater than 0")])


def test_an_experiment_whose_architectures_are_all_off_is_a_mistake():
    message = message_of(small_config(experiments={"controls": {"architectures": {"frozen": None}}}))
    assert_mistakes(message, [("experiments.controls.architectures", "switch off the experiment instead")])


def with_pruning(architecture=(), **changes):
    """A configuration that prunes networks of 16 filters; changes to its section of pruning."""
    pruning = {
        "methods": ["l1", "obd"],
        "fine_tuning_steps": 5,
        "networks": {"question": {"filters": 16, "kept": [2, 8]}},
    }
    return small_config(
        architectures={"question": ARCHITECTURE | {"filters": [4, 16]} | dict(architecture)}, pruning=pruning | changes
    )


def test_the_default_study_prunes_at_five_points_or_more_by_methods_that_there_are(whole_config):
    settings = load_settings(whole_config, methods=METHODS)
    assert set(settings.pruning.methods) == set(METHODS)
    assert len(settings.pruned) >= 2
    assert all(len(network.kept) >= 5 for network in settings.pruned.values())


def test_pruning_of_null_is_switched_off_and_an_overlay_may_leave_networks_out(whole_config):
    assert load_settings(small_config(pruning=None)).pruning is None
    assert load_settings(small_config()).pruning is None
    smaller = copy.deepcopy(whole_config)
    smaller["pruning"]["networks"]["relu_5x5"] = None
    assert "relu_5x5" not in load_settings(smaller).pruned


def test_an_architecture_that_is_switched_off_is_not_pruned(whole_config):
    without = copy.deepcopy(whole_config)
    without["architectures"]["relu_5x5"] = None
    settings = load_settings(without)
    assert "relu_5x5" in load_settings(whole_config).pruned
    assert set(settings.pruned) == {"question", "relu_3x1"}
    assert settings.weight_deletion is None
    assert load_settings(whole_config).weight_deletion.architecture == "relu_5x5"


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {"networks": {"question": {"filters": 16, "kept": [0, 2]}}},
            ["networks.question.kept.0 = 0", "greater than 0"],
        ),
        ({"networks": {"question": {"filters": 16, "kept": [2, 17]}}}, ["networks.question.kept", "allowed: 1 to 15"]),
        ({"networks": {"question": {"filters": 16, "kept": [2, 16]}}}, ["networks.question.kept", "allowed: 1 to 15"]),
        ({"networks": {"question": {"filters": 16, "kept": [8, 2]}}}, ["networks.question.kept", "must increase"]),
        (
            {"networks": {"question": {"filters": 16, "kept": [2], "from_scratch": [4]}}},
            ["networks.question.from_scratch", "in kept, 2"],
        ),
        ({"networks": {"question": {"filters": 8, "kept": [2]}}}, ["filters = 8 is not trained; allowed: 4, 16"]),
        (
            {"networks": {"questoin": {"filters": 16, "kept": [2]}}},
            ["questoin is no architecture of the study; allowed: question", "did you mean 'question'?"],
        ),
        ({"networks": {"question": None}}, ["networks", "none is left"]),
        ({"methods": []}, ["methods", "at least 1"]),
        ({"methods": ["l1", "l1"]}, ["methods", "each method once"]),
        ({"methods": ["random"]}, ["methods", "at least one method beside random"]),
        ({"methods": ["tailor"]}, ["methods.tailor: unknown method; allowed: random, l1", "did you mean 'taylor'?"]),
        ({"fine_tuning_steps": 0}, ["fine_tuning_steps = 0", "greater than 0"]),
        (
            {"weight_deletion": {"architecture": "question", "filters": 5, "shares": [0.5], "retraining_steps": 1}},
            ["weight_deletion: filters = 5 is not trained"],
        ),
        (
            {"weight_deletion": {"architecture": "question", "filters": 4, "shares": [0.5, 1], "retraining_steps": 1}},
            ["weight_deletion.shares.1 = 1", "less than 1"],
        ),
    ],
)
def test_a_mistake_in_pruning_is_named_before_anything_is_trained(changes, parts):
    with pytest.raises(SettingsError) as caught:
        load_settings(with_pruning(**changes), methods=METHODS)
    message = str(caught.value)
    assert message.startswith("the configuration has one mistake")
    assert "pruning" in message
    for part in parts:
        assert part in message


def test_networks_that_are_pruned_are_trained_by_steps():
    message = message_of(with_pruning(architecture={"steps": None, "epochs": 2}))
    assert "question is trained by epochs" in message


def test_networks_that_are_pruned_have_learnt_the_labels():
    assert "question has shuffle_labels" in message_of(with_pruning(architecture={"shuffle_labels": True}))
