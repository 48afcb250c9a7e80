"""Does a filter's similarity to its nearest one tell what it costs to remove it?"""

from __future__ import annotations

import pandas as pd

from filtertwins.measures.statistics import rank_correlation
from filtertwins.names import RUN


def removal_correlations(removal: pd.DataFrame) -> pd.DataFrame:
    """``removal_correlations.csv``: one row a network.

    ``rank_correlation`` is Spearman's, of the nearest cosine and of what the loss rises by when the filter alone is
    removed, over the filters of the network that fire at all.

    Args:
        removal: ``removal.csv``.
    """
    active = removal[~removal["never_active"].astype(bool)]
    keys = [*RUN, "activation"]
    rows = [
        dict(zip(keys, key, strict=True))
        | {"rank_correlation": rank_correlation(own["nearest_cosine"], own["loss_increase"])}
        for key, own in active.groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*keys, "rank_correlation"])
