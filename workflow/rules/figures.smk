# Figures from tables: fast, and without TensorFlow. The module filtertwins.figures.<figure> draws each.
LOOK = {
    "labels": labels(settings),
    "own": len(settings.studied),
    "same": plan.same,
    "threshold": THRESHOLD,
    "margins": settings.margins.model_dump(mode="json"),
}

# Category in the report: the figures in the order of the argument, with the tables that each is drawn from, and those
# that it can do without.
ARGUMENT = {
    "2 More filters": {
        "accuracy_vs_filters": (["runs_means"], ["optimum", "exact_reading_means"]),
        "redundancy_vs_accuracy": (["redundancy_means", "runs_means"], []),
    },
    "3 More than chance?": {
        "similarity_vs_chance": (["clusters", "redundancy"], []),
        "excess_over_chance": (["excess"], []),
        "kernel_gallery": (["kernels", "clusters", "redundancy"], []),
        "controls": (["controls_means"], []),
        "depth": (["depth_means", "depth_strangers"], []),
    },
    "4 What keeps filters apart": {
        "strangers": (["strangers"], ["strangers_by_threshold"]),
        "functional": (["functional_means"], []),
        "twins": (["twins_means"], []),
        "twins_bound": (["twins"], []),
        "condensation": (["condensation_means"], []),
        "one_fewer": (["one_fewer_means"], ["replanted_means"]),
        "preventers": (["preventers_means"], []),
    },
    "5 What redundant filters are worth": {
        "lossless_merge": (["merging"], []),
        "removal": (["removal", "removal_means", "removal_correlations"], []),
    },
    "6 Pruning": {
        "pruning": (["pruning_means"], []),
        "criteria": (["criteria_means"], []),
        "cost": (["cost_means"], []),
        "small_or_pruned": (["small_or_pruned"], []),
        "obd": (["obd_means"], []),
    },
}
OWN = or_end(extensions.own_figures, TABLES)
# Of each figure that this study has the tables for: its category, its place in there, and these tables.
DRAWN = {
    name: (category, place, [*tables, *(own for own in optional if own in TABLES)])
    for category, figures in (ARGUMENT | OWN).items()
    for place, (name, (tables, optional)) in enumerate(figures.items(), start=1)
    if set(tables) <= set(TABLES)
}


def shown_in_report(name):
    """A figure's file for the report, with its caption. A figure does not wait for the claims; its caption does."""
    category, place, _ = DRAWN[name]
    return report(
        FIGURES / f"{name}.png",
        caption=str(Path.cwd() / FIGURES / f"{name}.rst"),
        category=category,
        labels={"figure": f"{place} {name.replace('_', ' ')}"},
    )


# Two jobs draw every second figure each, since to start and to import seaborn takes as long as some three figures. A
# figure of one's own has a job of its own, so that it leaves the others as they are.
ours = [name for name, (category, _, _) in DRAWN.items() if category not in OWN]
JOB_DRAWS = {"plot_figures_1": ours[::2], "plot_figures_2": ours[1::2]}
JOB_DRAWS |= {f"plot_own_{name}": [name] for name in DRAWN if name not in ours}
for job, names in JOB_DRAWS.items():
    if not names:
        continue
    needed = {name: DRAWN[name][2] for name in names}
    add_job(
        job,
        {"tables": [path_of(table) for table in sorted(set().union(*needed.values()))]},
        {
            "shown": [shown_in_report(name) for name in names],
            "drawn": [multiext(str(FIGURES / name), ".pdf", ".svg") for name in names],
        },
        {"figures": needed, "folder": FIGURES, "look": LOOK},
        f"draw {', '.join(names)}",
        script="plot_figures",
        modules=[
            *extensions.files("figure", among=names),
            *(f"filtertwins.figures.{name}" for name in names),
        ],
    )
