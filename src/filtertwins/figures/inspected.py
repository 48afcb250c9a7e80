"""The kernels of a layer by cluster, beside a draw of its null."""

from __future__ import annotations

from matplotlib.figure import Figure

from filtertwins.figures.kernel_gallery import draw_images
from filtertwins.figures.style import label_panel, panels, style
from filtertwins.inspect.page import Kernels


@style()
def draw(own: Kernels, null: Kernels, titles: tuple[str, str]) -> Figure:
    """Draw both as images, each divided by its largest weight; kernels that share a cluster have a frame.

    Args:
        own: the layer's kernels.
        null: as many from its null, or of random directions.
        titles: what the two panels are called.
    """
    figure, axes = panels(2, 3.4)
    for place, (panel, kernels, title) in enumerate(zip(axes, (own, null), titles, strict=True)):
        draw_images(panel, *kernels)
        label_panel(panel, place, title.replace("$", r"\$"), wrap=40)  # A dollar sign would begin a formula.
    return figure
