"""The configuration: what is valid, and that every mistake is reported, at once and helpfully."""

from __future__ import annotations

import copy
import json
import math
import re
import shutil

import jsonschema
import pytest
import yaml
from pydantic import ValidationError
from snakemake.utils import update_config

from filtertwins.architectures import Start
from filtertwins.fixed import is_fixed, same_study
from filtertwins.pruning.criteria import methods as known_methods
from filtertwins.settings import SettingsError, json_schema, load_settings

ARCHITECTURE = {
    "kernel": [3, 1],
    "activation": "linear",
    "learning_rate": 1e-3,
    "batch": 64,
    "steps": 100,
    "filters": [1, 2, 4],
}


METHODS = known_methods()
COLUMNS = {"OrthogonalRegularizer": {"factor": 0.1, "mode": "columns"}}
L2 = {"L2": {"l2": 0.1}}


def read_config(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def overlays(root):
    """All configurations beside the default one."""
    return sorted({path.name for path in (root / "config").glob("*.yaml")} - {"config.yaml", "claims.yaml"})


def rule_files(root):
    """The names of the experiments that the workflow has."""
    rules = (root / "workflow" / "rules" / "common.smk").read_text(encoding="utf-8")
    return set(re.search(r'EXPERIMENTS = set\("""(.*?)"""', rules, re.DOTALL)[1].split())


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


def message_of(config, experiments=None, methods=None):
    with pytest.raises(SettingsError) as caught:
        load_settings(config, experiments, methods)
    return str(caught.value)


def assert_mistakes(message, expected):
    """There is one line for each of these, which starts with its first text and holds the others; and no other line."""
    headline, *lines = message.splitlines()
    assert headline == f"the configuration has {len(expected)} mistakes:".replace("1 mistakes", "one mistake")
    for key, *parts in expected:
        (line,) = [line for line in lines if line.startswith(f"  - {key}")]
        assert not [part for part in parts if part not in line]
    assert len(lines) == len(expected), message


@pytest.fixture(scope="module")
def whole_config(root):
    return read_config(root / "config" / "config.yaml")


def test_every_overlay_loads_over_the_default_configuration(root, whole_config):
    names = overlays(root)
    assert "quickstart.yaml" in names
    for name in names:
        config = copy.deepcopy(whole_config)
        overlay = read_config(root / "config" / name)
        update_config(config, overlay)  # as Snakemake merges config files
        settings = load_settings(config, rule_files(root), named=overlay)
        assert settings.studied, name


def test_all_mistakes_are_reported_at_once_with_key_value_and_what_is_allowed():
    question = ARCHITECTURE | {"kernel": [3, 0], "activation": "rleu", "filters": [4, 2]}
    message = message_of(
        small_config(
            dataset="digit",
            seeds=0,
            seeds_per_chunk="many",
            gallary={},
            measures={"threshold_curve": [0.9, 0.8], "sed": 1},
            architectures={"question": question, "3x1": ARCHITECTURE},
        )
    )
    expected = [
        ("dataset = 'digit'", "allowed: digits", "did you mean 'digits'?"),
        ("seeds = 0", "greater than 0"),
        ("seeds_per_chunk = 'many'", "valid integer"),
        ("gallary: unknown key", "allowed: datasets, dataset, only, claims,", "did you mean 'gallery'?"),
        ("measures.threshold_curve = [0.9, 0.8]", "must increase"),
        ("measures.sed: unknown key", "did you mean 'seed'?"),
        ("architectures.question.kernel.1 = 0", "greater than 0"),
        ("architectures.question.activation = 'rleu'", "allowed: 'linear', 'relu' or 'tanh'", "did you mean 'relu'?"),
        ("architectures.question.filters = [4, 2]", "must increase, each value once"),
        ("architectures.3x1", "a name begins with a letter"),
    ]
    assert_mistakes(message, expected)


@pytest.mark.parametrize(
    ("changes", "mistake", "allowed"),
    [
        ({"learning_rate": math.nan}, "learning_rate = nan", "must be a finite number"),
        ({"epochs": 2}, "epochs = 2", "give either steps or epochs"),
        ({"steps": None}, "epochs = None", "give either steps or epochs"),
        ({"optimizer": "adamw", "momentum": 0.9}, "momentum = 0.9", "needs optimizer: sgd"),
        ({"optimizer": "adam", "weight_decay": 0.1}, "weight_decay = 0.1", "needs optimizer: adamw or sgd"),
        ({"optimizer": "sgdd", "weight_decay": 0.1}, "optimizer = 'sgdd'", "did you mean 'sgd'?"),
        (
            {"activation": "gelu"},
            "activation = 'gelu'",
            "not linear, relu or tanh; a network with another",
        ),
        ({"filters": 0}, "filters.0 = 0", "greater than 0"),
        ({"filters": [1, True]}, "filters = [1, True]", "to YAML, yes, no, on, off,"),
        ({"learning_rate": True}, "learning_rate = True", "write a number, or put a text in quotes"),
        ({"label": False}, "label = False", "write a number, or put a text in quotes"),
        ({"steps": "1e3x"}, "steps = '1e3x'", "valid integer"),
        ({"steps": "1e-3"}, "steps = 0.001", "valid integer, got a number with a fractional part"),
        ({"kernel": 3}, "kernel = 3", "give height and width, such as [3, 1]"),
        ({"kernel": "3x1"}, "kernel = '3x1'", "give height and width, such as [3, 1]"),
        ({"kernel_regularizer": {"L3": {}}}, "kernel_regularizer.L3: unknown key", "allowed: L1, L2, OrthogonalRegu"),
        ({"kernel_regularizer": {"L2": L2["L2"] | {"l1": 1}}}, "kernel_regularizer.L2.l1: unknown key", "allowed: l2"),
        ({"kernel_regularizer": COLUMNS}, "kernel_regularizer: filters = (1, 2, 4)", "a single one has none"),
        ({"kernel_regularizer": L2, "freeze_kernels": True}, "kernel_regularizer", "needs trained kernels"),
        ({"draw_seed": 1, "batch_seed": 1}, "batch_seed = 1", "needs draw_seed: null"),
    ],
)
def test_a_mistaken_architecture_is_answered_with_what_is_allowed(changes, mistake, allowed):
    assert_mistakes(message_of(with_architecture(**changes)), [(f"architectures.question.{mistake}", allowed)])


def test_options_that_fit_together_are_accepted():
    changes = {"steps": None, "epochs": 5, "optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1, "label": "words"}
    item = load_settings(with_architecture(**changes)).studied["question"]
    assert {key: getattr(item, key) for key in changes} == changes


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{steps: 1e3}", 1000),
        ("{batch: 1.e+2}", 100),
        ("{learning_rate: 1e-3}", 0.001),
        ("{filters: 16}", (16,)),
        ("{filters: [1e0, 16]}", (1, 16)),
        ("{kernel: [1e0, '3']}", (1, 3)),
        ("{label: 16}", "16"),
        ("{freeze_kernels: on}", True),
    ],
)
def test_what_is_clear_is_understood_however_yaml_reads_it(text, meant):
    ((key, _),) = yaml.safe_load(text).items()
    found = getattr(load_settings(with_architecture(**yaml.safe_load(text))).studied["question"], key)
    assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("on", "architectures: True is no name; to YAML, yes, no, on, off,"),
        ("my-net", "architectures.my-net = 'my-net'; a name begins with a letter, and has letters, digits and"),
        ("2", "architectures.2 = 2; a name begins with a letter"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_in_yamls_words(name, mistake):
    assert mistake in message_of(small_config(architectures={yaml.safe_load(name): ARCHITECTURE}))


SIZES = {"train_labels": 8 + 60, "train_images": 16 + 60 * 256, "test_labels": 8 + 10, "test_images": 16 + 10 * 256}


def with_files(validation_images=10, architecture=(), **sizes):
    """A configuration of a dataset of 16x16 images, by its files' sizes."""
    files = {name: {"name": name, "sha256": "a" * 64, "size": size} for name, size in (SIZES | sizes).items()}
    own = {"kind": "idx", "mirrors": "/folder", "validation_images": validation_images, "files": files}
    model = ARCHITECTURE | {"batch": 32} | dict(architecture)
    return small_config(architectures={"question": model, "off": None}, dataset="own", datasets={"own": own})


@pytest.mark.parametrize(
    ("config", "mistake"),
    [
        (
            with_files(architecture={"kernel": [20, 20]}),
            "question.kernel = [20, 20] is larger than the images, which have",
        ),
        (with_files(architecture={"kernel": [17, 16]}), "question.kernel = [17, 16] is larger"),
        (
            with_files(architecture={"batch": 51}),
            "architectures.question.batch = 51 is more than the 50 training images",
        ),
        (with_files(validation_images=60), "own.validation_images = 60; allowed: below 60"),
        (
            with_files(train_images=25 + 60 * 3 * 256),
            "train_images: the size is not that of 60 images, as many as labels",
        ),
        (with_files(test_labels=8 + 11), "test_images: the size is not that of 11 images, as many as labels"),
        (with_files(test_labels=8), "files.test_labels.size = 8; input should be greater than 8"),
        (with_architecture(batch=1258), "question.batch = 1258 is more than the 1,257 training images"),
        (with_architecture(kernel=[29, 1]), "kernel = [29, 1] is larger than the images, which have 784 pixels"),
        (with_experiment(architecture={"batch": 2000}), "experiments.twins.architectures.linear.batch = 2000 is"),
    ],
)
def test_what_does_not_fit_the_images_is_refused_before_they_are_there(config, mistake):
    assert mistake in message_of(config)


def test_what_may_fit_the_images_is_accepted():
    for kernel in ([16, 16], [28, 8], [1, 28]):  # on images of 16x16 or, for all that the config tells, 32x8 pixels
        assert load_settings(with_files(architecture={"kernel": kernel, "batch": 50}))
    assert load_settings(with_architecture(kernel=[28, 28], batch=1257))
    colour = with_files(train_images=20 + 60 * 3 * 256, test_images=20 + 10 * 3 * 256, architecture={"batch": 50})
    assert load_settings(colour).dataset_settings.image_shapes[-1] == (16, 16, 3)


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"architectures": {"off": None}}, "architectures: all null; keep one"),
        ({"architectures": {}}, "architectures: at least one must be on"),
        ({"architectures": {"one": ARCHITECTURE | {"filters": [1]}}}, "with more than 1 in its filters"),
        ({"measures": 5}, "measures = 5; must be a section"),
        ({"gallery": {"seed": 4}}, "gallery.seed must be one of the 4 trained seeds from 0 on"),
        ({"gallery": {"seed": 3}, "first_seed": 4}, "gallery.seed must be one of the 4 trained seeds from 4 on"),
        ({"seeds": "x"}, "has one mistake:"),  # and none about the gallery's seed
        ({"experiments": {"controls": {"architectures": {"frozen": None}}}}, "controls.architectures: all null"),
        ({"experiments": {"twins": {"starts": [{"second_filter": "twinn"}]}}}, "= 'twinn'; allowed: 'own', 'twin',"),
        ({"experiments": {"twins": {"starts": [{}, {"second_filtr": "twin"}]}}}, "starts.1.second_filtr: unknown key"),
        ({"experiments": {"twins": {"starts": [{}, {"epsilon": 1e-3}]}}}, "epsilon = 0.001; needs second_filter: twin"),
        ({"experiments": {"twins": {"starts": [{"bias_gap": 0.1}]}}}, "bias_gap = 0.1; needs second_filter: twin"),
        ({"architectures": {"one": ARCHITECTURE | {"dropout": 0.5, "implementation": "keras"}}}, "has no dropout"),
        ({"datasets": {"digits": {"kind": "embeded"}}}, "must be 'idx', 'npz', 'keras' or 'embedded'"),
        ({"datasets": {"digits": {"kind": "idx", "mirrors": []}}}, "datasets.digits.files: missing"),
    ],
)
def test_a_mistake_elsewhere_is_named_too(changes, mistake):
    assert mistake in message_of(small_config(**changes))


def test_the_default_study_has_every_experiment_of_the_rules_and_labels_for_all_architectures(root, whole_config):
    settings = load_settings(whole_config, rule_files(root))
    assert set(settings.experiments) == rule_files(root) - {"exact_reading"}  # It takes hours: config/epochs.yaml.
    for architectures in (settings.studied, *(item.studied for item in settings.experiments.values())):
        labels = [item.label for item in architectures.values()]
        assert all(labels)
        assert len(set(labels)) == len(labels)


def test_kernel_shapes_are_trained_like_the_studys_own(whole_config):
    settings = load_settings(whole_config)
    differing = {"activation", "kernel", "filters", "label"}
    for name, item in settings.experiments["kernel_shapes"].studied.items():
        height, width = item.kernel
        assert name == f"{item.activation}_{height}x{width}"
        assert item.model_dump(exclude=differing) == settings.studied["relu_5x5"].model_dump(exclude=differing)
        assert name not in settings.studied  # their rows stand in one table


def test_an_experiment_that_says_nothing_trains_nothing_and_starts_plainly_and_null_is_off():
    settings = load_settings(small_config(experiments={"removal": {}, "controls": None}), ["removal", "controls"])
    removal = settings.experiments["removal"]
    assert (removal.studied, removal.seeds, removal.starts) == ({}, None, (Start(scale=1.0, second_filter="own"),))
    assert settings.experiments["controls"] is None


def test_an_unknown_experiment_is_answered_with_those_there_are_also_where_it_is_off():
    config = small_config(experiments={"twns": {}, "remov": None, "xyz": {"seeds": 0}})
    expected = [
        ("experiments.twns: not among the experiments", "allowed: removal, twins;", "did you mean 'twins'?"),
        ("experiments.remov: not among the experiments", "allowed: removal, twins;", "did you mean 'removal'?"),
        ("experiments.xyz: not among the experiments; allowed: removal, twins",),
        ("experiments.xyz.seeds = 0", "greater than 0"),
    ]
    assert_mistakes(message_of(config, {"twins", "removal"}), expected)


@pytest.mark.parametrize("second", ["twin", "half_twin", "silent"])
def test_a_second_filter_needs_architectures_of_two_or_more(second):
    starts = [{}, {"second_filter": second}]
    message = message_of(with_experiment(architecture={"filters": [1, 4]}, starts=starts))
    assert_mistakes(message, [("experiments.twins.starts = [{}, {", f"'{second}'", "2 or more filters")])
    assert load_settings(with_experiment(architecture={"filters": [1, 4]}, starts=[{"scale": 0.1}]))
    assert load_settings(with_experiment(starts=starts))


@pytest.mark.parametrize(("pair", "allowed"), [((-2, -1), True), ((0, -1), True), ((1, 2), False), ((1, -1), False)])
def test_a_pair_is_of_two_different_filters_of_each_architecture(pair, allowed):
    config = with_experiment(starts=[{"second_filter": "twin", "pair": pair}])  # of 2 and of 4 filters
    if allowed:
        assert load_settings(config)
    else:
        assert "a pair of two different filters" in message_of(config)


@pytest.mark.parametrize(
    ("seeds", "own", "expected"),
    [
        (5, {}, [(0, 2), (2, 2), (4, 1)]),
        (1, {}, [(0, 1)]),
        (4, {"seeds": 3}, [(0, 2), (2, 1)]),
        (4, {"seeds": 5}, [(0, 2), (2, 2), (4, 1)]),
        (4, {"seeds_per_chunk": 3}, [(0, 3), (3, 1)]),
    ],
)
def test_chunks_are_blocks_of_the_seeds_of_the_study_or_of_an_experiments_own(seeds, own, expected):
    settings = load_settings(with_experiment(**own) | {"seeds": seeds})
    assert settings.chunks(settings.experiments["twins"]) == expected
    assert settings.chunks()[0] == (0, min(2, seeds))


def test_settings_are_frozen():
    settings = load_settings(small_config())
    for part in (settings, settings.studied["question"], settings.measures):
        with pytest.raises(ValidationError, match="frozen"):
            part.seeds = 5


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
        {"measures": {"null_draws": 7}},
        {"experiments": {"twins": {"starts": [{"second_filter": "twinn"}]}}},
    ],
)
def test_the_schema_catches_mistakes_in_an_overlay_too(mistake):
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(mistake))


def test_the_schema_accepts_null_where_it_switches_off():
    off = {"experiments": None, "pruning": None, "architectures": {"question": None}}
    for overlay in (off, {"experiments": {"twins": None}}, {"pruning": {"networks": {"question": None}}}):
        assert not list(jsonschema.Draft202012Validator(json_schema()).iter_errors(overlay))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"seeds": 20}, True),
        ({"first_seed": 0}, True),
        ({"dataset": "digits"}, False),
        ({"claims": "config/mine.yaml"}, False),
        ({"architectures": {"question": {"steps": 500}}}, False),
        ({"architectures": {"relu_5x5": None}}, False),
        ({"experiments": {"twins": {"seeds": 3}}}, False),
        ({"margins": {"accuracy": 0.01}}, False),
        ({"datasets": {"mnist": {"mirrors": ["/somewhere"]}}}, True),
        ({"datasets": {"mnist": {"validation_images": 6000}}}, False),
    ],
)
def test_a_study_is_the_default_one_whatever_its_seeds_but_not_with_other_data_networks_or_claims(root, change, same):
    changed = read_config(root / "config" / "config.yaml")
    default = load_settings(changed)
    update_config(changed, change)
    assert same_study(load_settings(changed), default) == same


@pytest.mark.parametrize(
    ("file", "old", "new", "fixed"),
    [
        ("claims.yaml", "statement: Nothing prevents it", "statement: Nothing keeps them apart", True),
        ("claims.yaml", "fewest_seeds: 5", "fewest_seeds: 4", False),
        ("claims.yaml", "threshold: 0.95", "threshold: 0.9", False),
        ("claims.yaml", "    exploratory: ", "    by_construction: ", False),  # It was changed, and does not say so.
        ("config.yaml", "accuracy: 0.003", "accuracy: 0.004", False),
        ("config.yaml", "first_seed: 100", "first_seed: 0", True),  # The seeds are for the claims to look at.
    ],
)
def test_the_study_confirms_only_while_all_that_decides_is_as_it_was_frozen(root, tmp_path, file, old, new, fixed):
    configs = shutil.copytree(root / "config", tmp_path / "config")
    text = (configs / file).read_text(encoding="utf-8")
    assert old in text
    (configs / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    settings = load_settings(read_config(configs / "config.yaml"))
    assert is_fixed(settings, [configs / "claims.yaml"], configs) == fixed


@pytest.mark.parametrize("name", ["config.yaml", "quickstart.yaml", "epochs.yaml"])
def test_config_files_point_editors_to_the_schema(root, name):
    first_line = (root / "config" / name).read_text(encoding="utf-8").splitlines()[0]
    path = first_line.removeprefix("# yaml-language-server: $schema=")
    written = "SCHEMA := workflow/schemas/config.schema.json\n"
    assert written in (root / "Makefile").read_text(encoding="utf-8")
    assert f"{path}\n".replace("../", "SCHEMA := ") == written


NULLS = [None, "null", "~", "", "None"]  # What --config says arrives as text.


@pytest.mark.parametrize("null", NULLS)
def test_null_switches_off_however_it_arrives(null):
    twins = with_experiment()["experiments"]["twins"]
    other = {"other": null} | twins["architectures"]
    experiments = {"removal": null, "twins": twins | {"seeds": null, "architectures": other}}
    changes = {"pruning": null, "experiments": experiments, "architectures": {"off": null, "question": ARCHITECTURE}}
    settings = load_settings(small_config(**changes))
    assert settings.pruning is None
    assert settings.experiments["removal"] is None
    assert settings.experiments["twins"].seeds is None
    assert list(settings.experiments["twins"].studied) == ["linear"]
    assert list(settings.studied) == ["question"]
    assert load_settings(small_config(experiments=null)).experiments == {}


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("key", ["seeds", "dataset", "architectures", "gallery"])
def test_what_a_study_needs_cannot_be_null(null, key):
    assert_mistakes(message_of(small_config(**{key: null})), [(f"{key} = None",)])


def test_only_whole_texts_are_null():
    assert load_settings(with_architecture(label="null and void")).studied["question"].label == "null and void"
    assert "pruning = 'nul'; must be a section" in message_of(small_config(pruning="nul"))
    assert "experiments = []; must be a section" in message_of(small_config(experiments=[]))


def with_pruning(architecture=(), network=(), **changes):
    """A configuration that prunes networks of 16 filters; changes to the network and to the section of pruning."""
    networks = {"question": {"filters": 16, "kept": [2, 8]} | dict(network)}
    pruning = {"methods": ["l1", "obd"], "fine_tuning_steps": 5, "networks": networks}
    return small_config(
        architectures={"question": ARCHITECTURE | {"filters": [4, 16]} | dict(architecture)}, pruning=pruning | changes
    )


def test_the_default_study_prunes_at_five_points_or_more_by_methods_that_there_are(whole_config):
    settings = load_settings(whole_config, methods=METHODS)
    assert set(settings.pruning.methods) == set(METHODS)
    assert len(settings.pruned) >= 2
    assert all(len(network.kept) >= 5 for network in settings.pruned.values())


DELETION = {"architecture": "question", "filters": 4, "shares": [0.5], "retraining_steps": 1}
UNKNOWN_NETWORK = {"questoin": {"filters": 16, "kept": [2]}}


@pytest.mark.parametrize(
    ("changes", "mistake", "allowed"),
    [
        ({"network": {"kept": [2, 16]}}, "networks.question.kept = [2, 16]", "fewer than filters, 16"),
        ({"network": {"from_scratch": [4]}}, "networks.question.from_scratch = [4]", "in kept, (2, 8)"),
        ({"network": {"filters": 9}}, "filters = 9 is not trained", "allowed: 4, 16"),
        ({"networks": UNKNOWN_NETWORK}, "questoin is no architecture of the study", "did you mean 'question'?"),
        ({"networks": {"question": None}}, "networks", "all null"),
        ({"methods": ["l1", "l1"]}, "methods", "each method once"),
        ({"methods": ["random"]}, "methods", "at least one method beside random"),
        ({"methods": ["tailor"]}, "methods.0 = 'tailor'; not among the methods; allowed: random", "'taylor'?"),
        ({"weight_deletion": DELETION | {"filters": 5}}, "weight_deletion: filters = 5 is not trained", "allowed: 4"),
        ({"weight_deletion": DELETION | {"shares": [0.5, 1]}}, "weight_deletion.shares.1 = 1", "less than 1"),
        ({"architecture": {"steps": None, "epochs": 2}}, "networks", "question is trained by epochs"),
        ({"architecture": {"shuffle_labels": True}}, "networks", "question has shuffle_labels"),
    ],
)
def test_a_mistake_in_pruning_is_named_before_anything_is_trained(changes, mistake, allowed):
    assert_mistakes(message_of(with_pruning(**changes), methods=METHODS), [("pruning", mistake, allowed)])


def overlaid(whole_config, named):
    """The settings of the default study with something laid over it, as Snakemake does."""
    config = copy.deepcopy(whole_config)
    update_config(config, named)
    return load_settings(config, named=named)


def test_only_what_is_named_is_left_of_the_default_study(whole_config):
    kept = {"pruning": {"networks": {"question": {"filters": 8, "kept": 2, "from_scratch": []}}}}
    twins = {"twins": {"architectures": {"relu_sgd": {"steps": 7}}}, "collapse": {}, "condensation": {"seeds": 2}}
    named = {"only": True, "architectures": {"question": {"filters": 8}}}
    settings = overlaid(whole_config, named)
    assert list(settings.studied) == ["question"]
    assert settings.studied["question"].learning_rate == 1e-4  # the default study's
    assert (settings.experiments, settings.pruning, settings.claims) == ({}, None, ())
    settings = overlaid(whole_config, named | kept | {"experiments": twins, "claims": "mine.yaml"})
    assert {name for name, item in settings.experiments.items() if item} == set(twins)
    assert list(settings.experiments["twins"].studied) == ["relu_sgd"]
    assert len(settings.experiments["condensation"].studied) == 3  # It is named without architectures.
    assert (list(settings.pruned), settings.weight_deletion, settings.claims) == (["question"], None, ("mine.yaml",))
    assert len(settings.pruning.methods) > 5
    with pytest.raises(SettingsError, match="architectures: all null"):
        overlaid(whole_config, {"only": True})
    assert len(overlaid(whole_config, {"only": False, "seeds": 5}).studied) > 1


@pytest.mark.parametrize(("page", "blocks"), [("README.md", 1), ("docs/config.md", 3)])
def test_the_documented_configs_are_accepted(root, whole_config, page, blocks):
    found = re.findall(
        r"^( *)```yaml\n(.*?)^\1```", (root / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(found) == blocks
    for _, text in found:
        named = yaml.safe_load(text)
        if "datasets" in named:  # Of `mine` the file is not there, and of `fashion` three files are left out.
            assert set(named["datasets"]) == {"mine", "cifar", "fashion"}
            named["datasets"] = {"cifar": named["datasets"]["cifar"]}
            named["dataset"] = "cifar"
        assert overlaid(whole_config, named).studied


def test_an_overlay_switches_off_what_it_names_and_nothing_else(whole_config):
    config = copy.deepcopy(whole_config)
    twins = {"starts": [{"scale": 2}], "architectures": {"relu_sgd": None, "linear_sgd": {"steps": 7}}}
    overlay = {"architectures": {"relu_5x5": None}, "experiments": {"removal": None, "twins": twins}}
    update_config(config, overlay)  # as Snakemake merges config files
    before, after = load_settings(whole_config), load_settings(config)
    assert set(before.studied) - set(after.studied) == {"relu_5x5"}
    assert (set(after.pruned), after.weight_deletion) == ({"question", "relu_3x1"}, None)
    assert before.weight_deletion.architecture == "relu_5x5"
    assert after.experiments["removal"] is None
    twins, whole = after.experiments["twins"], before.experiments["twins"]
    assert twins.starts == (Start(scale=2),)
    assert set(whole.studied) - set(twins.studied) == {"relu_sgd"}
    assert twins.studied["linear_sgd"] == whole.studied["linear_sgd"].model_copy(update={"steps": 7})
    assert after.experiments["controls"] == before.experiments["controls"]
    assert load_settings(config | {"pruning": None}).pruned == {}
