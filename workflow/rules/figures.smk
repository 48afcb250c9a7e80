# Figures from tables: fast, and without TensorFlow. The module filtertwins.figures.<figure> draws each.
LOOK = {
    "labels": labels(settings),
    "own": len(settings.studied),
    "same": plan.same,
    "threshold": THRESHOLD,
    "margins": settings.margins.model_dump(mode="json"),
}

# Category in the report: the figures in the order of the argument. Their functions name the tables that they are drawn
# from, and those that they can do without.
ARGUMENT = {
    "2 More filters": ["accuracy_vs_filters", "redundancy_vs_accuracy"],
    "3 More than chance?": [
        "similarity_vs_chance",
        "excess_over_chance",
        "kernel_gallery",
        "controls",
        "depth",
    ],
    "4 What keeps filters apart": [
        "strangers",
        "functional",
        "twins",
        "twins_bound",
        "condensation",
        "one_fewer",
        "preventers",
    ],
    "5 What redundant filters are worth": ["lossless_merge", "removal"],
    "6 Pruning": ["pruning", "criteria", "cost", "small_or_pruned", "obd"],
}
OURS = {
    category: {
        name: extensions.tables_of(SOURCE / "filtertwins" / "figures" / f"{name}.py")
        for name in names
    }
    for category, names in ARGUMENT.items()
}
OWN = or_end(extensions.own_figures, TABLES)
# Of each figure that this study has the tables for: its category, its place in there, and these tables.
DRAWN = {
    name: (category, place, [*tables, *(own for own in optional if own in TABLES)])
    for category, figures in (OURS | OWN).items()
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
