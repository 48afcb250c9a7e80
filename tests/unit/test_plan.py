"""The plan: which jobs there are, what each depends on, and what each needs of a machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filtertwins.plan import Plan, as_json, asked_mem_mb, asked_minutes, digest
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
MNIST = {
    "kind": "idx",
    "mirrors": ["https://one.example/", "https://two.example/"],
    "validation_images": 5000,
    "files": {
        name: {"name": f"{name}.gz", "sha256": "ab" * 32, "size": 100}
        for name in ("train_images", "train_labels", "test_images", "test_labels")
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
        (architecture, filters, first, seeds): as_json(of.condition(architecture, filters, first, first + seeds - 1))
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


def test_the_study_has_every_filter_count_and_chunk():
    assert plan().study() == {
        "architectures": {"question": [1, 2, 4], "relu": [1, 2, 4]},
        "chunks": [(0, 2), (2, 2)],
    }


def test_chunk_files_name_architecture_filters_and_seeds():
    files = Plan.chunk_files(Path("weights"), plan().study())
    assert len(files) == len(set(files)) == 2 * 3 * 2
    assert files[0] == Path("weights/question/filters-001_seeds-000-001.npz")
    assert files[-1] == Path("weights/relu/filters-004_seeds-002-003.npz")


@pytest.mark.parametrize(
    ("wider", "new"),
    [
        ({"question": {"filters": [1, 2, 3, 4, 8]}}, 2 * 2),
        ({"seeds": 8}, 2 * 3 * 2),
        ({"gallery": {"seed": 1}}, 0),
        ({"measures": {"null_draws": 500}}, 0),
        ({"mnist": {"mirrors": ["https://three.example/"]}}, 0),
    ],
)
def test_a_wider_study_leaves_the_conditions_of_the_others_as_they_were(wider, new):
    before, after = conditions(plan()), conditions(plan(**wider))
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + new


@pytest.mark.parametrize("change", [{"learning_rate": 1e-4}, {"batch": 50}, {"initializer": "he_normal"}])
def test_a_changed_architecture_changes_its_conditions_only(change):
    before, after = conditions(plan()), conditions(plan(question=change))
    assert {key[0] for key in before if before[key] != after[key]} == {"question"}
    assert all(before[key] != after[key] for key in before if key[0] == "question")


@pytest.mark.parametrize("change", [{"snapshots": 5}, {"dataset_code": "other"}, {"mnist": {"validation_images": 1}}])
def test_what_every_run_depends_on_changes_every_condition(change):
    before, after = conditions(plan()), conditions(plan(**change))
    assert all(before[key] != after[key] for key in before)


def test_a_condition_names_its_run_and_is_plain_data():
    condition = plan().condition("question", 4, 2, 3)
    assert condition["dataset"] == "mnist"
    assert condition["architecture"] == "question"
    assert condition["filters"] == 4
    assert condition["seeds"] == [2, 3]
    assert condition["model"]["kernel"] == [3, 1]
    assert "filters" not in condition["model"]
    assert json.loads(as_json(condition)) == condition


def test_the_dataset_digest_does_not_depend_on_mirrors():
    first, second = plan(), plan(mnist={"mirrors": ["file:///site"]})
    assert first.dataset_digest == second.dataset_digest
    assert "mirrors" not in first.dataset


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


def test_the_dataset_file_is_named_after_its_content():
    path = plan().dataset_file(Path("data"))
    assert path == Path("data/mnist") / f"dataset-{plan().dataset_digest}.npz"
    assert plan(dataset_code="other").dataset_file(Path("data")) != path


def test_the_gallery_is_the_chunk_of_its_seed_and_the_trained_among_its_filter_counts():
    shown = plan(gallery={"filters": [2, 4, 64], "seed": 3}).gallery()
    assert shown == {"architectures": {"question": [2, 4], "relu": [2, 4]}, "chunks": [(2, 2)]}
    files = Plan.chunk_files(Path("w"), shown)
    assert set(files) < set(Plan.chunk_files(Path("w"), plan().study()))


def test_only_networks_of_small_kernels_are_merged():
    assert set(plan().merging()["architectures"]) == {"question", "relu"}
    whole = plan(question={"kernel": [5, 5]})
    assert whole.merging() == {
        "architectures": {"relu": whole.study()["architectures"]["relu"]},
        "chunks": whole.study()["chunks"],
    }


def test_single_filters_are_not_merged():
    assert set(plan(question={"filters": [1]}).merging()["architectures"]) == {"relu"}


def test_a_gallery_of_no_trained_filter_count_shows_the_largest():
    shown = plan(gallery={"filters": [64]}).gallery()
    assert shown["architectures"] == {"question": [4], "relu": [4]}


# Experiments


def test_experiments_are_those_that_are_on():
    assert list(with_experiments().experiments) == ["twins", "controls", "removal"]
    assert plan().experiments == {}


def test_an_experiment_trains_its_architectures_under_its_own_name():
    files = Plan.chunk_files(Path("weights"), with_experiments().experiment("twins"))
    assert files == [
        Path("weights/twins") / architecture / f"filters-00{filters}_seeds-{seeds}.npz"
        for architecture in ("linear_sgd", "relu")
        for filters in (2, 4)
        for seeds in ("000-001", "002-002")
    ]
    whole = with_experiments()
    own = (
        Plan.chunk_files(Path("weights"), whole.study()),
        Plan.chunk_files(Path("weights"), whole.experiment("controls")),
    )
    assert not set(files) & {*own[0], *own[1]}


def test_an_experiment_has_its_own_seeds_or_the_studys():
    assert with_experiments().experiment("twins") == {
        "architectures": {"twins/linear_sgd": [2, 4], "twins/relu": [2, 4]},
        "chunks": [(0, 2), (2, 1)],
    }
    assert with_experiments().experiment("controls") == {
        "architectures": {"controls/linear_sgd": [8]},
        "chunks": [(0, 2), (2, 2)],
    }
    assert with_experiments().experiment("removal") == {"architectures": {}, "chunks": [(0, 2), (2, 2)]}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, "question"),
        ({"architectures": {"again": QUESTION | {"filters": [4]}}}, "question"),
        ({"architectures": {"again": QUESTION | {"filters": [4, 5]}}}, "controls/again"),
        ({"architectures": {"again": QUESTION | {"filters": [1, 4], "steps": 601}}}, "controls/again"),
        ({"architectures": {"again": QUESTION | {"filters": [1, 4], "activation": "tanh"}}}, "controls/again"),
        ({"starts": [{"scale": 0.1}]}, "controls/again"),
        ({"seeds": 2}, "question"),  # the study's first chunk
        ({"seeds": 3}, "controls/again"),  # in a chunk of one; the study has it with another
    ],
)
def test_what_controls_control_for_is_not_trained_again_where_the_study_trains_it_just_so(changes, place):
    again = {"architectures": {"again": QUESTION | {"filters": [1, 4]}}} | changes
    found = with_experiments(experiments={"controls": again})
    assert found.controls()["architectures"] == {place: again["architectures"]["again"]["filters"]}
    assert found.controls()["names"] == ({} if "/" in place else {place: "again"})
    assert found.controls()["chunks"] == found.experiment("controls")["chunks"]


def test_of_two_controls_that_the_study_trains_one_is_taken_from_it():
    both = {name: QUESTION | {"filters": filters} for name, filters in (("one", [1]), ("other", [4]))}
    found = with_experiments(experiments={"controls": {"architectures": both}}).controls()
    assert found["architectures"] == {"question": [1], "controls/other": [4]}
    assert found["names"] == {"question": "one"}


def test_the_study_itself_is_the_same_with_experiments():
    assert with_experiments().study() == plan().study()
    assert conditions(plan()).items() < conditions(with_experiments()).items()


def test_a_condition_names_its_architecture_without_the_experiment_and_lists_its_starts():
    whole = with_experiments({"starts": [{"scale": 0.1}, {"second_filter": "twin", "epsilon": 1e-3}]})
    condition = whole.condition("twins/linear_sgd", 4, 2, 2)
    assert condition["architecture"] == "linear_sgd"
    assert condition["model"]["optimizer"] == "sgd"
    assert condition["seeds"] == [2]
    assert condition["starts"] == [
        {"scale": 0.1, "second_filter": "own", "epsilon": 0.0},
        {"scale": 1.0, "second_filter": "twin", "epsilon": 1e-3},
    ]
    assert json.loads(as_json(condition)) == condition
    plain = [{"scale": 1.0, "second_filter": "own", "epsilon": 0.0}]
    assert whole.condition("controls/linear_sgd", 8, 0, 1)["starts"] == plain
    assert whole.condition("question", 4, 0, 1)["starts"] == plain


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"twins": {"starts": [{"second_filter": "twin", "epsilon": 1e-7}]}}, ("twins/linear_sgd", "twins/relu")),
        ({"twins": {"starts": [{}, {"second_filter": "twin"}]}}, ("twins/linear_sgd", "twins/relu")),
        ({"linear": {"dropout": 0.5}}, ("twins/linear_sgd",)),
        ({"question": {"batch": 50}}, ("question",)),
        ({"snapshots": 5}, ("question", "relu", "twins/linear_sgd", "twins/relu", "controls/linear_sgd")),
    ],
)
def test_a_change_touches_its_own_conditions_only(change, changed):
    before, after = conditions(with_experiments()), conditions(with_experiments(**change))
    assert set(before) == set(after)
    assert {key for key in before if before[key] != after[key]} == {key for key in before if key[0] in changed}


@pytest.mark.parametrize(
    ("wider", "new"),
    [
        ({"linear": {"filters": [2, 3, 4, 8]}}, 2 * 2),
        ({"twins": {"seeds": 6}}, 2 * 2 * 2),  # one chunk of a single seed becomes whole: another one, and a third
        ({"experiments": {"collapse": {}}}, 0),
        ({"experiments": {"one_fewer": {"architectures": {"linear": QUESTION}}}}, 3 * 2),
        ({"margins": {"accuracy": 0.01}}, 0),
    ],
)
def test_a_wider_experiment_leaves_the_conditions_of_the_others_as_they_were(wider, new):
    before, after = conditions(with_experiments()), conditions(with_experiments(**wider))
    kept = {key: value for key, value in before.items() if key in after}
    assert {key: after[key] for key in kept} == kept
    assert len(after) - len(kept) == new
    assert {key for key in before if key not in after} == {
        key for key in before if "seeds" in wider.get("twins", ()) and key[0].startswith("twins/") and key[3] == 1
    }


@pytest.mark.parametrize(
    ("shown", "removed"),
    [
        ([4, 64], {"question": [4], "relu": [4]}),
        ([1, 2], {"question": [2], "relu": [2]}),
        ([1], {}),
        ([64], {"question": [4], "relu": [4]}),  # where none is trained, the largest
    ],
)
def test_filters_are_removed_from_the_gallerys_networks_of_several_with_all_seeds(shown, removed):
    found = plan(gallery={"filters": shown}).removal()
    assert found == {"architectures": removed, "chunks": [(0, 2), (2, 2)]}
    assert set(Plan.chunk_files(Path("w"), found)) <= set(Plan.chunk_files(Path("w"), plan().study()))
    for name, counts in removed.items():
        assert plan(gallery={"filters": shown}).removal(name) == found | {"architectures": {name: counts}}


def test_an_architecture_of_single_filters_has_none_to_remove():
    assert plan(question={"filters": [1]}).removal()["architectures"] == {"relu": [4]}


def test_needs_grow_with_the_starts_side_by_side():
    need = "twins/linear_sgd", 4, 0, 1
    one, six = (with_experiments({"starts": [{"scale": 1}] * count}) for count in (1, 6))
    assert one.head_weights(*need) == 26 * 28 * 4 * 10 * 2
    assert six.head_weights(*need) == 6 * one.head_weights(*need)
    assert six.training_mem_mb(*need) > one.training_mem_mb(*need)
    long = {"steps": 10**6}
    one, six = (with_experiments({"starts": [{"scale": 1}] * count}, linear=long) for count in (1, 6))
    assert six.training_minutes(*need) - 10 == pytest.approx(6 * (one.training_minutes(*need) - 10), abs=4)


MEASURED = [  # on MNIST: kernel, activation, batch, steps, filters, networks; the benchmark's seconds and MB
    ([3, 1], "linear", 512, 2000, 128, 10, 91, 1224),
    ([3, 1], "linear", 512, 10000, 16, 10, 92, 1022),
    ([7, 7], "linear", 128, 1000, 64, 10, 50, 1086),
    ([3, 1], "relu", 128, 1000, 1, 10, 13, 957),
    ([3, 1], "relu", 128, 1000, 100, 10, 193, 1874),
    ([5, 5], "relu", 128, 1000, 100, 10, 274, 1719),
    ([5, 5], "relu", 128, 1000, 128, 10, 304, 1275),
    ([3, 1], "relu", 128, 2000, 4, 30, 106, 1203),
]
SNAKEMAKE_MB = 2 * 140  # the two that run a job on a node, which its benchmark does not see


@pytest.mark.parametrize(("kernel", "activation", "batch", "steps", "filters", "networks", "seconds", "mb"), MEASURED)
def test_a_chunk_asks_for_more_than_was_measured_but_not_much_more(
    kernel, activation, batch, steps, filters, networks, seconds, mb
):
    model = {"kernel": kernel, "activation": activation, "batch": batch, "steps": steps, "filters": [filters]}
    chunk = "question", filters, 0, networks - 1
    need_mb, need_minutes = (part(*chunk) for part in (plan(model).training_mem_mb, plan(model).training_minutes))
    assert 1.25 < need_mb / (mb + SNAKEMAKE_MB) < 2.5
    assert 10 + 1.5 * seconds / 60 < need_minutes + 1 < 10 + 5 * seconds / 60 + 2


def test_needs_grow_with_filters_seeds_and_steps():
    def need(steps=10**5, filters=64, seeds=10, **model):
        needing = plan({"steps": steps, "filters": [filters]} | model)
        chunk = "question", filters, 0, seeds - 1
        return needing.training_mem_mb(*chunk), needing.training_minutes(*chunk)

    for more in ({"filters": 128}, {"seeds": 20}):
        assert all(larger > smaller for larger, smaller in zip(need(**more), need(), strict=True))
    assert need(steps=2 * 10**5)[1] - 10 == pytest.approx(2 * (need()[1] - 10), abs=2)
    assert need(activation="relu")[1] > 3 * need()[1]
    assert need(dropout=0.5) == need(activation="relu")  # which the linear shortcut cannot do either
    assert need(steps=None, epochs=100, batch=100) == need(steps=60_000, batch=100)


def test_measuring_needs_grow_with_all_filters_of_all_networks():
    one, more = plan(), plan(seeds=40_000, seeds_per_chunk=100)
    assert one.measuring_mem_mb(one.study()) == 1501
    assert one.measuring_mem_mb(one.study(), base=3000) == 3001
    assert one.measuring_minutes(one.study()) == 16
    assert more.measuring_mem_mb(more.study()) == 1500 + 2 * 7 * 40_000 * 30 // 1000
    assert more.measuring_minutes(more.study()) == 15 + 2 * 7 * 40
    starts = with_experiments({"starts": [{"second_filter": "twin"}, {}]})
    assert starts.measuring_mem_mb(starts.experiment("twins"), base=0) == 12 * 3 * 2 * 30 // 1000


def test_what_is_asked_for_doubles_with_each_attempt():
    assert [asked_mem_mb(2020, attempt) for attempt in (1, 2, 3)] == [2500, 4500, 8500]
    assert [asked_minutes(11, attempt) for attempt in (1, 2, 3)] == [15, 30, 60]
    assert [asked_minutes(200, attempt) for attempt in (1, 2)] == [240, 480]


def test_what_is_asked_for_is_rounded_so_that_many_jobs_ask_for_the_same():
    assert {asked_mem_mb(need) for need in range(2001, 2501)} == {2500}
    assert asked_mem_mb(2500) == 2500
    assert {asked_minutes(need) for need in range(1, 16)} == {15}
    assert {asked_minutes(need) for need in range(31, 61)} == {60}


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


def test_pruned_networks_are_fine_tuned_at_each_number_of_filters_kept_and_whole():
    assert with_pruning().kept_counts() == [("question", 4, 1), ("question", 4, 2), ("question", 4, 4)]
    names = [path.as_posix() for path in with_pruning().pruned_files(Path("p"))]
    assert names[:2] == [f"p/question/filters-004/kept-001_seeds-{seeds}.csv" for seeds in ("000-001", "002-003")]
    assert len(names) == 3 * 2
    assert [path.name for path in with_pruning().importance_files(Path("p"))] == [
        f"importance_seeds-{seeds}.csv" for seeds in ("000-001", "002-003")
    ]


def test_small_networks_train_for_equal_epochs_and_for_equal_compute():
    found = with_pruning()
    small = found.from_scratch()
    assert small["architectures"] == {
        "pruning/question_4_to_1": [1],
    }
    budgets = {"equal_epochs": 600 + 50, "equal_compute": 4 * 600 + 50}
    assert small["compared"] == {
        "pruning/question_4_to_1": {"architecture": "question", "filters": 4, "budgets": budgets}
    }
    large, one = (
        found.condition(name, filters, 0, 1) for name, filters in (("question", 4), ("pruning/question_4_to_1", 1))
    )
    assert one["model"] == large["model"] | {"steps": 2450}
    assert (one["also_scored"], large["also_scored"]) == ([650], [])


def test_equal_compute_is_equal_in_multiply_accumulates():
    large, small = (network_cost((3, 1), filters, (28, 28)) for filters in (4, 1))
    steps = with_pruning().condition("pruning/question_4_to_1", 1, 0, 1)["model"]["steps"]
    assert steps * small.macs == 600 * large.macs + 50 * small.macs


def test_pruning_changes_no_condition_of_the_study():
    assert conditions(with_pruning()) == conditions(plan())
    assert with_pruning().weight_deletion()["architectures"] == {"relu": [2]}
    assert plan().kept_counts() == plan().costed_networks() == []
    assert plan().from_scratch()["architectures"] == plan().weight_deletion()["architectures"] == {}


METHODS = ["random", "l1", "fpgm", "nearest_cosine", "cosine_merge", "obd", "taylor", "oracle"]
MEASURED_PRUNING = [  # on MNIST, 10 seeds: the model; seconds and MB of fine-tuning, and of rating the filters
    ({"batch": 512, "filters": [100]}, 33, 2030, 58, 405),
    ({"activation": "relu", "batch": 128, "filters": [32]}, 106, 1380, 25, 330),
    ({"activation": "relu", "batch": 128, "filters": [32], "kernel": [5, 5]}, 114, 1303, 41, 333),
]


def pruning_of(model):
    network = {"filters": model["filters"][0], "kept": [2], "from_scratch": []}
    pruning = {"methods": METHODS, "fine_tuning_steps": 200, "networks": {"question": network}}
    return plan(model, pruning=pruning | {"weight_deletion": None})


@pytest.mark.parametrize(("model", "seconds", "mb", "rating_s", "rating_mb"), MEASURED_PRUNING)
def test_pruning_asks_for_more_than_was_measured_but_not_much_more(model, seconds, mb, rating_s, rating_mb):
    needing, chunk = pruning_of(model), ("question", model["filters"][0], 0, 9)
    assert 1.25 < needing.pruning_mem_mb(*chunk) / (mb + SNAKEMAKE_MB) < 3
    assert 1.25 < needing.importance_mem_mb(*chunk) / (rating_mb + SNAKEMAKE_MB) < 3
    assert 10 + 1.5 * seconds / 60 < needing.pruning_minutes(*chunk) + 1 < 10 + 12 * seconds / 60 + 2
    assert 10 + 1.5 * rating_s / 60 < needing.importance_minutes(*chunk) + 1 < 10 + 8 * rating_s / 60 + 2


def test_pruning_needs_grow_with_filters_and_seeds():
    def needs(filters=64, seeds=10):
        needing, chunk = pruning_of({"activation": "relu", "filters": [filters]}), ("question", filters, 0, seeds - 1)
        parts = needing.pruning_mem_mb, needing.pruning_minutes, needing.importance_mem_mb, needing.importance_minutes
        return [part(*chunk) for part in parts]

    for more in ({"filters": 128}, {"seeds": 20}):
        assert all(larger > smaller for larger, smaller in zip(needs(**more), needs(), strict=True))
    assert plan(seeds=100, seeds_per_chunk=10).weight_deletion_minutes() == 15 + 50
