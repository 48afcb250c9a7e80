"""Numbers beside data points: each at its own, none on another, and what is optional gives way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.text import Text

from filtertwins.figures.labels import Label, label_points
from filtertwins.figures.style import SMALL_TEXT_PT, new_figure, style

NO_LINES = np.empty((0, 2))


def written(labels, starts=NO_LINES, ends=NO_LINES, scale="linear"):
    """The figure's axes, an inch and a half wide, with these labels."""
    with style():
        figure = new_figure(2.0, 2.0)
        figure.set_layout_engine("none")
        axes = figure.add_axes((0.125, 0.125, 0.75, 0.75))
        axes.set_xscale(scale)
        axes.set_xlim(1, 100)
        axes.set_ylim(0, 100)
        label_points(axes, labels, np.asarray(starts, dtype=float), np.asarray(ends, dtype=float))
        figure.draw_without_rendering()
    return axes


def boxes(axes):
    """Left, bottom, right and top of each number, in pixels, without its line to the point."""
    below = [0, 0.2 * SMALL_TEXT_PT * axes.figure.dpi / 72, 0, 0]  # a line of text has room for a p, digits need none
    return {text.get_text(): Text.get_window_extent(text).extents + below for text in axes.texts}


def touch(one, other):
    return bool(np.all(one[:2] < other[2:]) and np.all(one[2:] > other[:2]))


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_label_is_beside_its_point(scale):
    axes = written([Label(50, 50, "8", "red")], scale=scale)
    (text,) = axes.texts
    assert (text.get_text(), text.get_color(), text.arrow_patch) == ("8", "red", None)
    left, bottom, _, _ = boxes(axes)["8"]
    assert np.all(np.abs([left, bottom] - axes.transData.transform((50, 50))) < 6)


def test_labels_of_a_crowd_do_not_touch():
    labels = [Label(50 + 2 * (i % 4), 50 + 2 * (i // 4), str(10 + i)) for i in range(8)]
    axes = written(labels)
    assert len(axes.texts) == 8
    assert not any(touch(one, other) for one, other in itertools.combinations(boxes(axes).values(), 2))
    assert any(text.arrow_patch for text in axes.texts)  # whose number is it, further away


def test_lines_and_markers_are_left_clear():
    starts, ends = [[50, 50], [50, 50]], [[80, 80], [np.nan, 50]]  # one rises through the first place of all
    for labels, lines in (
        ([Label(50, 50, "2")], (starts, ends)),
        ([Label(50, 50, "2"), Label(57, 57, "4", marker_pt=4)], (NO_LINES, NO_LINES)),
    ):
        axes = written(labels, *lines)
        along = axes.transData.transform(np.linspace([51, 51], [80, 80], 100) if len(lines[0]) else [[57, 57]])
        left, bottom, right, top = boxes(axes)["2"]
        inside = (along[:, 0] > left) & (along[:, 0] < right) & (along[:, 1] > bottom) & (along[:, 1] < top)
        assert not inside.any()


def test_labels_stay_within_the_axes():
    axes = written([Label(100, 100, "100"), Label(1, 0, "1")])
    window = axes.get_window_extent()
    for left, bottom, right, top in boxes(axes).values():
        assert window.x0 <= left < right <= window.x1 + 1
        assert window.y0 - 1 <= bottom < top <= window.y1


def test_only_what_is_optional_is_left_out_where_there_is_no_room():
    crowd = [Label(50 + i % 7, 50 + i // 7, "100", marker_pt=3) for i in range(49)]
    assert len(written(crowd).texts) == 49
    assert len(written([*crowd, Label(53, 53, "7", optional=True)]).texts) == 49
    assert len(written([*crowd, Label(10, 10, "7", optional=True)]).texts) == 50
    assert not written([]).texts
