"""How often independent filters are found more alike than their shape makes them: false positives at 5 %."""

from __future__ import annotations

import numpy as np
import pytest
from stranger_draws import rejections, smooth_root

pytestmark = pytest.mark.slow

SETS = 400
FEWER_SETS = 200  # of 128 filters, which take longer


@pytest.mark.parametrize("kind", ["smooth", "isotropic"])
@pytest.mark.parametrize(("dimension", "filters"), [(9, 16), (9, 32), (9, 64), (9, 128), (25, 64), (25, 128)])
def test_independent_filters_are_rejected_in_6_5_percent_at_most(dimension, filters, kind):
    root = smooth_root(dimension) if kind == "smooth" else np.eye(dimension)
    rng = np.random.default_rng([dimension, filters])
    sets = FEWER_SETS if filters == 128 else SETS
    by_number, by_maximum = rejections(rng, root, filters, sets=sets)
    print(f"{kind}, {dimension} dimensions, {filters} filters: number {by_number:.4f}, maximum {by_maximum:.4f}")
    assert max(by_number, by_maximum) <= 0.065 + 2.5 * np.sqrt(0.065 * 0.935 / sets)
