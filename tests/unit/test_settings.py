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
from filtertwins.settings import Settings, SettingsError, json_schema, load_settings

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
    return sorted(path.name for path in (root / "config").glob("*.yaml") if path.name != "config.yaml")


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


def message_of(config):
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    return str(caught.value)


@pytest.fixture(scope="module")
def whole_config(root):
    return read_config(root / "config" / "config.yaml")


def test_the_default_configuration_is_the_mnist_study(whole_config):
    settings = load_settings(whole_config)
    assert settings.dataset == "mnist"
    assert settings.dataset_settings.kind == "idx"
    assert settings.studied["question"].filters == (1, 2, 4, 8, 16, 32, 64, 128)
    assert settings.studied["question"].learning_rate == 1e-4
    assert settings.studied["relu_5x5"].kernel == (5, 5)


def test_every_overlay_loads_over_the_default_configuration(root, whole_config):
    names = overlays(root)
    assert "quickstart.yaml" in names
    for name in names:
        config = copy.deepcopy(whole_config)
        update_config(config, read_config(root / "config" / name))  # as Snakemake merges config files
        settings = load_settings(config)
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
    for key, *parts in expected:
        matching = [line for line in lines if line.startswith(f"  - {key}")]
        assert len(matching) == 1, f"{key} in\n{message}"
        for part in parts:
            assert part in matching[0]
    assert len(lines) - 1 == len(expected), message


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
        {"datasets": {"mnist": {"kind": "idxx"}}},
    ],
)
def test_the_schema_catches_mistakes_in_an_overlay_too(mistake):
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(mistake))


def test_the_schema_asks_an_overlay_for_no_key_but_the_kind_of_a_new_dataset():
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid({})
    assert validator.is_valid({"architectures": {"question": {"steps": 5}, "relu_5x5": None}})


@pytest.mark.parametrize("name", ["config.yaml", "quickstart.yaml"])
def test_config_files_point_editors_to_the_schema(root, name):
    first_line = (root / "config" / name).read_text(encoding="utf-8").splitlines()[0]
    path = first_line.removeprefix("# yaml-language-server: $schema=")
    assert (root / "config" / path).resolve() == (root / "workflow/schemas/config.schema.json").resolve()
