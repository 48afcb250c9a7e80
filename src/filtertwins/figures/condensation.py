"""In how many directions filters point early in training, by the scale of the initial weights."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from filtertwins.figures.series import measured
from filtertwins.figures.style import Look, activation_in_words, label_panel, nothing_to_draw, panels, style


@style()
def draw(condensation_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw a heat map of the number of directions of filters, a panel for each of up to four architectures.

    Args:
        condensation_means: means over seeds by scale and step.
        look: how architectures are ordered; a panel is named after its activation where that tells all apart.
    """
    rows = measured(condensation_means, "directions")
    rows, most = rows[rows["filters"] > 1], rows["filters"].max()
    if rows.empty:
        return nothing_to_draw("No network has two filters to compare.")
    names = look.order(rows["architecture"])[:4]
    activation = rows.drop_duplicates("architecture").set_index("architecture")["activation"]
    figure, axes = panels(len(names), 1.1 + 0.22 * rows["scale"].nunique(), sharey=True)
    for index, (name, panel) in enumerate(zip(names, axes, strict=True)):
        own = rows[rows["architecture"] == name]
        table = own.pivot_table(index="scale", columns="step", values="mean").sort_index(ascending=False)
        sns.heatmap(table, vmin=1, vmax=most, cmap="viridis_r", cbar=False, ax=panel)
        steps = list(table.columns)
        named = sorted({0, len(steps) // 3, 2 * len(steps) // 3, len(steps) - 1})
        panel.set_xticks([place + 0.5 for place in named], [f"{steps[place]:,}" for place in named], rotation=0)
        panel.set_yticks([i + 0.5 for i in range(len(table))], [f"{scale:g}" for scale in table.index], rotation=0)
        panel.set(xlabel="Training step", ylabel="Scale of initial weights" if index == 0 else "")
        title = activation[name] if activation.is_unique else look.label(name)
        label_panel(panel, index, activation_in_words(title))
    bar = figure.colorbar(axes[0].collections[0], ax=axes, pad=0.015, aspect=15)
    bar.set_ticks(sorted({1, *range(4, int(most), 4), int(most)}))
    bar.ax.invert_yaxis()
    bar.outline.set_visible(False)
    bar.set_label(f"Directions in which\n{most} filters point")
    return figure
