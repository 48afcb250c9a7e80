"""The plan: which jobs there are, what each depends on, and what each needs of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from filtertwins.architectures import Architecture
from filtertwins.bundles import Bundle
from filtertwins.labels import labels
from filtertwins.needs import Need, Networks, asked_mem_mb, asked_minutes, pruning_need, training_need
from filtertwins.plan import Plan
from filtertwins.provenance import as_json, digest
from filtertwins.pruning.cost import network_cost
from filtertwins.settings import load_settings

QUESTION = {
    "kernel": [3, 1],
    "activation": "linear",
    "learning_rate": 1e-3,
    "batch": 100,
    "steps": 600,
    "filters": [1, 2, 4],
}
PLAIN_START = {"after": 0, "scale": 1.0, "second_filter": "own", "pair": [0, 1], "epsilon": 0.0, "bias_gap": 0.0}
MNIST = {
    "kind": "idx",
    "mirrors": ["https://one.example/", "https://two.example/"],
    "validation_images": 5000,
    "files": {
        name: {"name": f"{name}.gz", "sha256": "ab" * 32, "size": size}
        for name, size in {
            "train_images": 47040016,
            "train_labels": 60008,
            "test_images": 800,
            "test_labels": 9,
        }.items()
    },
}


def plan(question=(), mnist=(), dataset_code="code", **changes):
    return Plan(
        load_settings(
            {
                "dataset": "mnist",
                "seeds": 4,
                "seeds_per_chunk": 2,
                "architectures": {"question": QUESTION | dict(question), "relu": QUESTION | {"activation": "relu"}},
                "datasets": {"mnist": MNIST | dict(mnist), "digits": {"kind": "embedded"}},
            }
            | changes
        ),
        dataset_code,
    )


def conditions(of):
    """The condition of every chunk of a plan, those of experiments too, as Snakemake compares it."""
    return {
        (architecture, filters, first, seeds): as_json(of.condition(architecture, filters, first, seeds))
        for part in [of.study(), *map(of.experiment, of.experiments)]
        for architecture, counts in part["architectures"].items()
        for filters in counts
        for first, seeds in part["chunks"]
    }


def with_experiments(twins=(), linear=(), **changes):
    """A plan of two experiments that train, and of two that don't; changes to one of them."""
    sgd = {"optimizer": "sgd", "filters": [2, 4]}
    architectures = {"linear_sgd": QUESTION | sgd | dict(linear), "relu": QUESTION | sgd | {"activation": "relu"}}
    experiments = {
        "twins": {"seeds": 3, "starts": [{"second_filter": "twin"}], "architectures": architectures | {"off": None}},
        "controls": {"architectures": {"linear_sgd": QUESTION | {"filters": [8]}}},
        "removal": {},
        "collapse": None,
    }
    experiments["twins"] |= dict(twins)
    return plan(experiments=experiments | changes.pop("experiments", {}), **changes)


def test_the_study_has_a_file_for_every_architecture_filter_count_and_chunk():
    study = plan().study()
    assert study == {"architectures": {"question": [1, 2, 4], "relu": [1, 2, 4]}, "chunks": [(0, 2), (2, 2)]}
    files = Plan.chunk_files(Path("weights"), study)
    assert len(files) == len(set(files)) == 2 * 3 * 2
    assert files[0] == Path("weights/question/filters-001_seeds-000-001.npz")
    assert files[-1] == Path("weights/relu/filters-004_seeds-002-003.npz")


@pytest.mark.parametrize(
    ("wider", "new"),
    [
        ({"question": {"label": "as asked"}}, 0),
        ({"question": {"filters": [1, 2, 3, 4, 8]}}, 2 * 2),
        ({"seeds": 8}, (2 * 3 + 1) * 2),  # those of the controls too
        ({"measures": {"null_draws": 500}}, 0),
        ({"mnist": {"mirrors": ["https://three.example/"]}}, 0),
        ({"linear": {"filters": [2, 3, 4, 8]}}, 2 * 2),
        ({"twins": {"seeds": 6}}, 2 * 2 * 2),  # one chunk of a single seed becomes whole: another one, and a third
        ({"experiments": {"one_fewer": {"architectures": {"linear": QUESTION}}}}, 3 * 2),
    ],
)
def test_a_wider_study_or_experiment_leaves_the_conditions_of_the_others_as_they_were(wider, new):
    before, after = conditions(with_experiments()), conditions(with_experiments(**wider))
    kept = {key: value for key, value in before.items() if key in after}
    assert {key: after[key] for key in kept} == kept
    assert len(after) - len(kept) == new


@pytest.mark.parametrize(
    "change",
    [
        {"dataset_code": "other"},
        {"mnist": {"validation_images": 6000}},
        {"mnist": {"files": MNIST["files"] | {"test_images": {"name": "x.gz", "sha256": "cd" * 32, "size": 100}}}},
        {"dataset": "digits"},
    ],
)
def test_the_dataset_digest_depends_on_all_that_the_arrays_depend_on(change):
    assert plan(**change).dataset_digest != plan().dataset_digest


def test_the_gallery_is_the_chunk_of_its_seed_and_the_trained_among_its_filter_counts():
    shown = plan(gallery={"filters": [2, 4, 64], "seed": 3}).gallery()
    assert shown == {"architectures": {"question": [2, 4], "relu": [2, 4]}, "chunks": [(2, 2)]}


def test_only_networks_of_small_kernels_are_merged():
    on = {"experiments": {"lossless_merge": {}}}
    assert set(plan(**on).merging()["architectures"]) == {"question", "relu"}
    assert set(plan(**on, question={"kernel": [5, 5]}).merging()["architectures"]) == {"relu"}
    assert not plan().merging()["architectures"]


def test_an_experiment_trains_its_architectures_under_its_own_name_with_its_own_seeds_or_the_studys():
    twins = with_experiments().experiment("twins")
    assert twins["architectures"] == {"twins/linear_sgd": [2, 4], "twins/relu": [2, 4]}
    assert twins["chunks"] == [(0, 2), (2, 1)]
    files = Plan.chunk_files(Path("weights"), twins)
    assert files[-1] == Path("weights/twins/relu/filters-004_seeds-002-002.npz")
    assert with_experiments().experiment("controls")["chunks"] == [(0, 2), (2, 2)]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"architectures": {"again": QUESTION | {"filters": [4], "label": "other words"}}}, "question"),
        ({"architectures": {"again": QUESTION | {"filters": [4, 5]}}}, "controls/again"),
        ({"architectures": {"again": QUESTION | {"filters": [1, 4], "steps": 601}}}, "controls/again"),
        ({"starts": [{"scale": 0.1}]}, "controls/again"),
        ({"seeds": 2}, "question"),  # the study's first chunk
        ({"seeds": 3}, "controls/again"),  # in a chunk of one; the study has it with another
        ({"seeds_per_chunk": 1}, "controls/again"),  # the study has chunks of two
    ],
)
def test_what_controls_control_for_is_not_trained_again_where_the_study_trains_it_just_so(changes, place):
    again = {"architectures": {"again": QUESTION | {"filters": [1, 4]}}} | changes
    found = with_experiments(experiments={"controls": again})
    controls = found.experiment("controls")
    assert controls["architectures"] == {place: again["architectures"]["again"]["filters"]}
    assert controls["names"] == ({} if "/" in place else {place: "again"})
    assert found.same == {own: name for name, own in controls["names"].items()}  # Figures draw it as what it is.
    assert sum(seeds for _, seeds in controls["chunks"]) == again.get("seeds", 4)
    assert {seeds for _, seeds in controls["chunks"][:-1]} <= {again.get("seeds_per_chunk", 2)}


def test_options_that_came_later_are_in_a_condition_only_where_they_are_set():
    study = plan(question={"kernel_regularizer": {"L2": {"l2": 0.1}}, "batch_seed": 0})
    model, plain = (study.condition(name, 4, 0, 2)["model"] for name in ("question", "relu"))
    assert model["kernel_regularizer"] == {"L2": {"l2": 0.1}}
    assert model.keys() - plain.keys() == {"kernel_regularizer", "batch_seed"}
    assert plain.keys() == {
        *("kernel", "activation", "initializer", "optimizer", "learning_rate", "momentum", "weight_decay", "dropout"),
        *("freeze_kernels", "shuffle_labels", "implementation", "batch", "steps", "epochs", "scored_training_images"),
    }


def test_architectures_have_words_for_figures_the_studys_own_first():
    words = labels(with_experiments(linear={"label": "by SGD"}, question={"label": "as asked"}).settings)
    assert list(words.items()) == [
        ("question", "as asked"),
        ("relu", "3\N{MULTIPLICATION SIGN}1, ReLU"),
        ("linear_sgd", "by SGD"),
    ]
    assert labels(plan(architectures=dict.fromkeys(("one", "two_more"), QUESTION)).settings) == {
        "one": "3\N{MULTIPLICATION SIGN}1, linear",
        "two_more": "two more",  # its kernel and activation are the other one's too
    }


def test_a_condition_names_its_architecture_without_the_experiment_and_lists_its_starts():
    whole = with_experiments({"starts": [{"scale": 0.1}, {"second_filter": "twin", "epsilon": 1e-3}]})
    condition = whole.condition("twins/linear_sgd", 4, 2, 1)
    assert (condition["architecture"], condition["seeds"]) == ("linear_sgd", [2])
    assert condition["starts"] == [
        PLAIN_START | {"scale": 0.1},
        PLAIN_START | {"second_filter": "twin", "epsilon": 1e-3},
    ]
    assert whole.condition("question", 4, 0, 2)["starts"] == [PLAIN_START]


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"twins": {"starts": [{"second_filter": "twin", "epsilon": 1e-7}]}}, ("twins/linear_sgd", "twins/relu")),
        ({"question": {"batch": 50}}, ("question",)),
        ({"snapshots": 5}, ("question", "relu", "twins/linear_sgd", "twins/relu", "controls/linear_sgd")),
    ],
)
def test_a_change_touches_its_own_conditions_only(change, changed):
    before, after = conditions(with_experiments()), conditions(with_experiments(**change))
    assert set(before) == set(after)
    assert {key for key in before if before[key] != after[key]} == {key for key in before if key[0] in changed}


@pytest.mark.parametrize(
    ("shown", "removed"),
    [
        ([1, 2], {"question": [2], "relu": [2]}),
        ([1], {}),
        ([64], {"question": [4], "relu": [4]}),  # where none is trained, the largest
    ],
)
def test_filters_are_removed_from_the_gallerys_networks_of_several_with_all_seeds(shown, removed):
    found = plan(gallery={"filters": shown}, experiments={"removal": {}}).removal()
    assert found == {"architectures": removed, "chunks": [(0, 2), (2, 2)]}
    assert not plan(gallery={"filters": shown}).removal()["architectures"]


def test_needs_grow_with_the_starts_side_by_side():
    family = [("twins/linear_sgd", 4)]
    bundle = Bundle(0, 2, [family])
    long = {"steps": 10**6}
    one, six = (with_experiments({"starts": [{"scale": 1}] * count}, linear=long) for count in (1, 6))
    assert six.training_need(bundle).mem_mb > one.training_need(bundle).mem_mb
    assert six.training_need(bundle).seconds == pytest.approx(6 * one.training_need(bundle).seconds)


RELU = {"activation": "relu", "batch": 128, "steps": 1000}
COUNTS = (1, 2, 4, 8, 16, 32, 64, 100, 128)
MEASURED = [  # on MNIST: how networks are trained, their filters, how many of each; the benchmark's seconds and MB
    ({"batch": 512, "steps": 2000}, COUNTS, 10, 243, 1710),
    ({"batch": 512, "steps": 10_000}, COUNTS[:5], 10, 342, 1031),
    (RELU, (100,), 10, 182, 1033),
    (RELU | {"kernel": [5, 5]}, (100,), 10, 253, 1028),
    (RELU | {"steps": 2000}, (4,), 30, 55, 850),
]
MEASURED_PRUNING = [  # the same of rating filters by eight methods and training on for 200 steps, and the counts kept
    ({"batch": 512}, 100, (2, 4, 8, 16, 32, 64), 146, 2641),
    (RELU | {"kernel": [5, 5]}, 32, (2, 4, 8, 16, 24), 366, 1671),
]
SNAKEMAKE_MB = 2 * 140  # the two that run a job on a node, which its benchmark does not see


def networks(model, filters, count):
    return Networks(Architecture.model_validate(QUESTION | model | {"filters": [filters]}), filters, count)


def is_more_but_not_much_more(need, seconds, mb):
    assert 1.25 < need.mem_mb / (mb + SNAKEMAKE_MB) < 2.5
    assert 0.5 < need.seconds / seconds < 4
    assert 1.5 * seconds < 60 * asked_minutes(need)


@pytest.mark.parametrize(("model", "counts", "count", "seconds", "mb"), MEASURED)
def test_training_asks_for_more_than_was_measured_but_not_much_more(model, counts, count, seconds, mb):
    is_more_but_not_much_more(training_need([[networks(model, filters, count) for filters in counts]]), seconds, mb)


@pytest.mark.parametrize(("model", "filters", "kept", "seconds", "mb"), MEASURED_PRUNING)
def test_pruning_asks_for_more_than_was_measured_but_not_much_more(model, filters, kept, seconds, mb):
    is_more_but_not_much_more(pruning_need(networks(model, filters, 10), 8, kept, 200), seconds, mb)


def test_what_is_asked_for_doubles_with_each_attempt_and_is_rounded_so_that_many_jobs_ask_for_the_same():
    assert [asked_mem_mb(Need(2020, 0), attempt) for attempt in (1, 2, 3)] == [2500, 4500, 8500]
    assert [asked_minutes(Need(0, 20), attempt) for attempt in (1, 2, 3)] == [15, 30, 60]
    assert {asked_mem_mb(Need(need, 0)) for need in range(2001, 2501)} == {2500}
    assert {asked_minutes(Need(0, 20 * (need - 10))) for need in range(31, 61)} == {60}


def test_every_chunk_is_trained_in_one_bundle_and_linear_conditions_that_differ_in_kernels_alone_side_by_side():
    study = with_experiments()
    bundles = study.bundles()
    files = [file for bundle in bundles for file in bundle.files(Path("w"))]
    assert sorted(files) == sorted(
        {
            file
            for part in (study.study(), study.experiment("controls"), study.experiment("twins"))
            for file in Plan.chunk_files(Path("w"), part)
        }
    )
    [joint] = [family for bundle in bundles if bundle.first == 0 for family in bundle.families if len(family) > 1]
    assert {name for name, _ in joint} == {"question", "controls/linear_sgd"}
    conditions = [study.bundle_conditions(bundle) for bundle in bundles]
    assert all(len(part) == len(bundle.families) for part, bundle in zip(conditions, bundles, strict=True))


@pytest.mark.parametrize("alone", [{"linear": {"implementation": "keras"}}, {"twins": {"starts": [{"after": 7}]}}])
def test_networks_that_no_joint_stack_computes_are_trained_alone(alone):
    families = [family for bundle in with_experiments(**alone).bundles() for family in bundle.families]
    assert [family for family in families if ("twins/linear_sgd", 2) in family] == [[("twins/linear_sgd", 2)]] * 2


def test_training_before_the_starts_takes_time():
    family, long = [("twins/linear_sgd", 4)], {"steps": 1000}
    starts = [{}, {"second_filter": "twin"}]
    two, later = (
        with_experiments({"starts": [start | {"after": after} for start in starts]}, linear=long) for after in (0, 1000)
    )
    bundle = Bundle(0, 2, [family])
    assert later.training_need(bundle).seconds == pytest.approx(1.5 * two.training_need(bundle).seconds)


def test_json_keeps_the_order_of_the_config_and_a_condition_does_not_depend_on_it():
    assert as_json({"b": (1, 2), "a": 1}) == '{"b": [1, 2], "a": 1}'
    assert digest({"a": (1, 2)}) == digest({"a": [1, 2]}) != digest({"a": [2, 1]})
    turned = plan(question=dict(reversed(QUESTION.items())), mnist=dict(reversed(MNIST.items())))
    assert conditions(turned) == conditions(plan())


def with_pruning(**network):
    """A plan that prunes networks of four filters."""
    networks = {"question": {"filters": 4, "kept": [1, 2], "from_scratch": [1]} | network}
    deletion = {"architecture": "relu", "filters": 2, "shares": [0.5], "retraining_steps": 7}
    pruning = {"methods": ["l1"], "fine_tuning_steps": 50, "networks": networks, "weight_deletion": deletion}
    return plan(pruning=pruning)


def test_training_that_pruning_waits_for_starts_earlier():
    found = with_pruning()
    [pruned, *others] = sorted(found.bundles(), key=lambda own: ("question", 4) not in own.conditions or own.first)
    (_, network, _, seeds), *_ = found.pruning.chunks()
    waiting = found.pruning_need("question", network, seeds).seconds
    assert found.urgency_s(pruned) == found.training_need(pruned).seconds + waiting
    spared = [own for own in others if ("question", 4) not in own.conditions]
    assert [found.urgency_s(own) for own in spared] == [found.training_need(own).seconds for own in spared]


def test_pruned_networks_are_fine_tuned_at_each_number_of_filters_kept_and_whole():
    found = with_pruning()
    costed = [(own["architecture"], own["filters"], own["kept"]) for own in found.pruning.costed_networks()]
    assert costed == [("question", 4, 1), ("question", 4, 2), ("question", 4, 4)]
    chunks = [(name, network.filters, first, seeds) for name, network, first, seeds in found.pruning.chunks()]
    assert chunks == [("question", 4, 0, 2), ("question", 4, 2, 2)]


def test_small_networks_train_for_equal_epochs_and_for_equal_multiply_accumulates():
    found, name = with_pruning(), "pruning/question_4_to_1"
    assert found.pruning.from_scratch()["architectures"] == {name: [1]}
    budgets = {"equal_epochs": 600 + 50, "equal_compute": 4 * 600 + 50}
    compared = {"architecture": "question", "filters": 4, "budgets": budgets}
    assert {own: small.compared for own, small in found.pruning.small_networks().items()} == {name: compared}
    large, one = found.condition("question", 4, 0, 2), found.condition(name, 1, 0, 2)
    assert one["model"] == large["model"] | {"steps": 2450}
    assert (one["also_scored"], large["also_scored"]) == ([650], [])
    large, one = (network_cost((3, 1), filters, (28, 28, 1), 10) for filters in (4, 1))
    large_macs, one_macs = (cost.convolution_macs + cost.dense_macs for cost in (large, one))
    assert 2450 * one_macs == 600 * large_macs + 50 * one_macs


def test_small_and_pruned_networks_are_scored_after_as_many_steps_which_are_doubled():
    found, name = with_pruning(doublings=2), "pruning/question_4_to_1"
    budgets = found.pruning.small_networks()[name].compared["budgets"]
    assert budgets == {"equal_epochs": 650, "equal_compute": 2450, "doubled_1": 1300, "doubled_2": 2600}
    one = found.condition(name, 1, 0, 2)
    assert (one["model"]["steps"], one["also_scored"]) == (2600, [650, 1300, 2450])
    network = found.settings.pruned["question"]
    assert found.pruning.longer("question", network) == {"kept": [1], "steps": [50, 700, 2000]}
    once = network.model_copy(update={"doublings": 0})
    assert found.pruning.longer("question", once) == {"kept": [], "steps": []}
    assert found.pruning_need("question", network, 2).seconds > found.pruning_need("question", once, 2).seconds


def test_experiments_and_pruning_change_no_condition_of_the_study():
    assert with_experiments().study() == plan().study()
    assert conditions(plan()).items() < conditions(with_experiments()).items()
    assert conditions(with_pruning()) == conditions(plan())
    assert with_pruning().pruning.weight_deletion()["architectures"] == {"relu": [2]}
    nothing = plan().pruning
    assert nothing.costed_networks() == nothing.chunks() == []
    assert nothing.from_scratch()["architectures"] == nothing.weight_deletion()["architectures"] == {}
