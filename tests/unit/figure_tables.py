"""Small made-up tables of a study, with the columns that the figures read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from filtertwins.tables.likeness import RESPONSES
from filtertwins.tables.means import derived_tables

LABELS = {
    "question": "question (3\N{MULTIPLICATION SIGN}1, linear)",
    "question_converged": "question, trained for long",
    "relu_3x1": "ReLU 3\N{MULTIPLICATION SIGN}1",
    "relu_5x5": "ReLU 5\N{MULTIPLICATION SIGN}5",
    "question_epochs": "question, 2000 epochs",
    "linear_sgd": "no activation, gradient descent",
    "linear_decay": "no activation, gradient descent, decay",
    "linear_dropout": "no activation, Adam, dropout",
    "relu_sgd": "ReLU, gradient descent",
    "relu_adam": "ReLU, Adam",
    "trained": "trained",
    "frozen": "kernels never trained",
    "shuffled": "labels shuffled",
}
_TWINS = ["linear_sgd", "linear_decay", "linear_dropout", "relu_sgd", "relu_adam"]
_KINDS = {
    "question": ("linear", 3, 1),
    "question_converged": ("linear", 3, 1),
    "relu_3x1": ("relu", 3, 1),
    "relu_5x5": ("relu", 5, 5),
}
_KINDS_BESIDE = {"question_epochs": ("linear", 3, 1)}


def study_tables(seeds: int, counts: tuple[int, ...] = (1, 2, 8, 16)) -> dict[str, pd.DataFrame]:
    """Every table that a figure reads, by name, those of means among them; numbers are drawn at random."""
    rng = np.random.default_rng(seeds)
    main = _networks(list(_KINDS), counts, seeds)
    tables = {
        "runs": main.assign(test_accuracy=0.9 + 0.004 * main["filters"] + rng.uniform(0, 0.02, len(main))),
        **_likeness(main, rng),
        **_experiments(seeds, rng),
        **_pruning(seeds, rng),
        "strangers": _strangers(main, seeds),
        "strangers_by_threshold": _strangers_by_threshold(main, seeds),
    }
    tables |= _depth(tables)
    exact = _networks(["question_epochs"], counts, seeds)
    tables["exact_reading"] = exact.assign(test_accuracy=0.925 + rng.uniform(0, 0.002, len(exact)))
    for name, table in list(tables.items()):
        tables |= derived_tables(name, table)
    return tables


def _depth(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Two layers of two networks, the second layers as series of their own."""
    found = {}
    for name, source in (("depth", "redundancy"), ("depth_strangers", "strangers")):
        own = tables[source][tables[source]["architecture"].isin(["relu_3x1", "relu_5x5"])]
        second = own.assign(layer="conv2", architecture=own["architecture"] + " conv2")
        found[name] = pd.concat([own, second], ignore_index=True)
    return found


def _strangers(main: pd.DataFrame, seeds: int) -> pd.DataFrame:
    """A row a condition of several filters and stage; without an interval where there are too few networks."""
    rows = main[(main["seed"] == 0) & (main["filters"] > 1)]
    rows = rows.merge(
        pd.DataFrame({"stage": ["initial", "trained"], "layer": "conv1", "ratio": [1.0, 0.6]}), how="cross"
    )
    ends = (0.8, 1.3) if seeds > 2 else (np.nan, np.nan)
    return rows.assign(ratio_low=rows["ratio"] * ends[0], ratio_high=rows["ratio"] * ends[1], estimable=seeds > 2)


def _strangers_by_threshold(main: pd.DataFrame, seeds: int) -> pd.DataFrame:
    """A row for each of six thresholds; few filters have too few of the closest pairs for a band."""
    rows = _strangers(main, seeds).merge(pd.DataFrame({"share": [0.1, 0.05, 0.02, 0.01, 0.005, 0.002]}), how="cross")
    banded = rows["estimable"] & (rows["share"] * rows["filters"] > 0.05)
    return rows.assign(
        band_low=(0.7 * rows["ratio"]).where(banded), band_high=(1.4 * rows["ratio"]).where(banded), estimable=banded
    )


def _grid(**columns: list[object]) -> pd.DataFrame:
    """A row for every combination of the columns' values."""
    names = ["dataset", *columns]
    return pd.MultiIndex.from_product([["digits"], *columns.values()], names=names).to_frame(index=False)


def _networks(architectures: list[str], counts: tuple[int, ...], seeds: int, **columns: list[object]) -> pd.DataFrame:
    rows = _grid(architecture=architectures, filters=list(counts), seed=list(range(seeds)), **columns)
    known = _KINDS | _KINDS_BESIDE
    kinds = [known.get(name, (name.split("_")[0], 5, 5)) for name in rows["architecture"]]
    activation = [kind[0] if kind[0] in ("linear", "tanh") else "relu" for kind in kinds]
    rows = rows.assign(activation=activation, kernel_height=[k[1] for k in kinds], kernel_width=[k[2] for k in kinds])
    sign = np.where(rows["activation"] == "linear", "nonzero_scale", "positive_scale")
    return rows.assign(dimension=rows["kernel_height"] * rows["kernel_width"], equivalence=sign)


def _likeness(main: pd.DataFrame, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    staged = main.merge(pd.DataFrame({"stage": ["initial", "trained"], "layer": "conv1"}), how="cross")
    many = staged["filters"] > 1
    share = np.where(
        many, np.log2(staged["filters"]) * rng.uniform(0.5, 1, len(staged)) / staged["dimension"] ** 0.5 / 3, 0.0
    )
    cosine = np.where(many, rng.uniform(0.5, 0.9, len(staged)), np.nan)
    redundancy = staged.assign(
        mean_nearest_cosine=cosine,
        null_mean_nearest_cosine=cosine - 0.05,
        null_mean_nearest_cosine_low=cosine - 0.1,
        null_mean_nearest_cosine_high=cosine,
        redundant_share=share,
        null_redundant_share=0.2,
        null_redundant_share_low=0.1,
        null_redundant_share_high=0.3,
        strangers_redundant_share=share + 0.02,
        strangers_redundant_share_low=share - 0.03,
        strangers_redundant_share_high=share + 0.07,
        near_duplicate_pairs=1,
    )
    near = np.where(many, rng.uniform(0.5, 1, len(staged)), np.nan)
    functional = staged.assign(**dict.fromkeys(RESPONSES, near))
    functional = functional.assign(**{f"null_{name}": near - 0.2 for name in RESPONSES})
    filters = staged.loc[staged.index.repeat(staged["filters"])].reset_index(drop=True)
    filters["filter"] = filters.groupby(["architecture", "filters", "seed", "stage"]).cumcount()
    nearest = np.where(filters["filters"] > 1, rng.uniform(0.3, 0.999, len(filters)), np.nan)
    clusters = filters.assign(cluster=filters["filter"] // 2, nearest_cosine=nearest)
    shown = filters[(filters["seed"] == 0) & filters["architecture"].isin(["question", "relu_5x5"])]
    weights = shown.loc[shown.index.repeat(shown["dimension"])].reset_index(drop=True)
    place = weights.groupby(["architecture", "filters", "stage", "filter"]).cumcount()
    weights = weights.assign(row=place // weights["kernel_width"], column=place % weights["kernel_width"], channel=0)
    excess = main[main["filters"] > 1].drop(columns="seed").drop_duplicates()
    excess = excess.assign(
        layer="conv1", redrawn_excess=0.1, redrawn_low=0.05, redrawn_high=0.15, n=main["seed"].nunique()
    )
    if main["seed"].max() == 0:
        excess[["redrawn_low", "redrawn_high"]] = np.nan
    return {
        "redundancy": redundancy,
        "functional": functional,
        "clusters": clusters,
        "kernels": weights.assign(weight=rng.normal(size=len(weights))),
        "excess": excess,
    }


def _experiments(seeds: int, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    condensation = _networks(["linear", "relu", "tanh"], (16,), seeds, scale=[1.0, 0.01, 1e-4], step=[0, 1, 10, 300])
    replanted = _networks(["relu_5x5"], (16,), seeds, second_filter=["own", "twin", "twin"])
    controls = _networks(["trained", "frozen", "shuffled"], (8, 32), seeds)
    merging = _networks(["question", "relu_5x5"], (2, 16), seeds, filters_kept=[1, 2, 3])
    exact = (merging["architecture"] == "question") & (merging["filters_kept"] > 1)
    twins = _networks(_TWINS, (8,), seeds, epsilon=[0.0, 1e-5, 1e-3], step=[0, 1, 3, 10, 30, 100])
    apart = twins["epsilon"] * (1 + twins["step"]) ** 0.2
    grows = np.where(twins["architecture"].isin(["linear_sgd", "linear_decay"]), 0.05, np.nan)
    one_fewer = _networks(["linear_sgd", "relu_adam"], (2, 4), seeds, second_filter=["own", "twin", "silent"])
    removal = _networks(["question", "relu_5x5"], (8, 16), seeds, filter=list(range(8)))
    ways = [("none", 0.0), ("orthogonality", 1.0), ("orthogonality", 10.0), ("dropout", 0.5), ("small_weights", 0.01)]
    preventers = _networks(["relu_3x1", "relu_5x5"], (32,), seeds, way=ways)
    preventers[["preventer", "strength"]] = preventers["way"].tolist()
    return {
        "optimum": pd.DataFrame({"validation_accuracy": [0.91, 0.93], "test_accuracy": [0.9, 0.92]}),
        "condensation": condensation.assign(
            directions=np.clip(16 + 4 * np.log10(condensation["scale"]), 1, 16), mean_similarity=0.16
        ),
        "controls": controls.assign(
            test_accuracy=controls["architecture"].map({"trained": 0.98, "frozen": 0.95, "shuffled": 0.1}),
            excess=rng.normal(0.1, 0.05, len(controls)),
            mean_nearest_cosine=0.5,
        ),
        "preventers": preventers.assign(
            test_accuracy=rng.uniform(0.97, 0.98, len(preventers)),
            mean_nearest_cosine=0.6 - 0.05 * preventers["strength"],
            mean_absolute_cosine=0.2,
            redundant_share=0.0,
            null_mean_nearest_cosine=0.4,
        ).drop(columns="way"),
        "merging": merging.assign(largest_logit_change=np.where(exact, 1e-13, rng.uniform(1, 9, len(merging)))),
        "twins": twins.assign(
            optimizer=twins["architecture"].str.split("_").str[1],
            learning_rate=0.1,
            dropout=0.0,
            second_filter="twin",
            bias_gap=0.0,
            pair="0 and 1",
            kernel_distance=apart,
            log_growth=np.where(twins["epsilon"] > 0, 0.2 * np.log1p(twins["step"]), np.nan),
            log_growth_at_large=0.1 * np.log1p(twins["step"]),
            separation=apart,
            outgoing_separation=apart - twins["epsilon"],
            bound=twins["epsilon"] * np.exp(grows * twins["step"]) * (1 + twins["step"]) ** 0.3,
            equal=(twins["epsilon"] == 0) & ((twins["step"] == 0) | ~twins["architecture"].str.endswith("dropout")),
        ),
        "one_fewer": one_fewer.assign(train_loss=rng.uniform(0.1, 0.2, len(one_fewer)), epsilon=0.0),
        "replanted": replanted.assign(
            train_loss=rng.uniform(0.1, 0.2, len(replanted)),
            epsilon=np.where(replanted.duplicated(), 0.1, 0.0),
        ),
        "removal": removal.assign(
            nearest_cosine=rng.uniform(size=len(removal)),
            loss_increase=rng.exponential(size=len(removal)),
            never_active=False,
        ),
    }


def _pruning(seeds: int, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    methods = ["random", "l1", "cosine_merge", "obd", "oracle"]
    pruning = _networks(["question", "relu_5x5"], (16,), seeds, method=methods, kept=[4, 8], fine_tuning_steps=[0, 50])
    whole = _networks(["question", "relu_5x5"], (16,), seeds, method=["none"], kept=[16], fine_tuning_steps=[50])
    pruning = pd.concat([pruning, whole], ignore_index=True)
    pairs = [("l1", "random"), ("obd", "random"), ("obd", "l1"), ("oracle", "random"), ("oracle", "l1")]
    criteria = _networks(["question", "relu_5x5"], (16,), seeds, pair=pairs)
    cost = _networks(["question", "relu_5x5"], (16,), 1, kept=[4, 8, 16], batch=[1, 512], round=[0, 1, 2])
    obd = _networks(["relu_5x5"], (4,), seeds, ranking=["obd", "magnitude"], share=[0.0, 0.5, 0.9])
    small = _grid(
        architecture=["question", "relu_5x5"], budget=["equal_epochs", "equal_compute", "matched_convergence"]
    )
    ends = np.nan if seeds == 1 else 0.004
    return {
        "pruning": pruning.assign(
            validation_accuracy=0.9 + 0.001 * pruning["kept"],
            test_accuracy=0.8 + 0.01 * pruning["kept"] + rng.uniform(0, 0.02, len(pruning)),
        ),
        "criteria": criteria.assign(
            criterion=criteria["pair"].str[0],
            other=criteria["pair"].str[1],
            rank_correlation=rng.uniform(-1, 1, len(criteria)),
        ).drop(columns="pair"),
        "cost": cost.assign(
            parameters=1000 * cost["kept"], latency_s=1e-4 * (cost["kept"] + cost["round"] + 9 / cost["batch"])
        ),
        "obd": obd.assign(
            gradient_increase=obd["share"] ** 3,
            predicted_increase=obd["share"] ** 2,
            quadratic_increase=1.5 * obd["share"] ** 2,
            actual_increase=obd["share"],
            test_accuracy_retrained=0.97 - 0.05 * obd["share"],
        ),
        "small_or_pruned": small.assign(
            filters=16,
            kept=4,
            method="selected",
            difference=0.002,
            low=0.002 - ends,
            high=0.002 + ends,
            margin=0.003,
            equivalent=False,
            no_worse=seeds > 2,
            n=seeds,
        ),
    }
