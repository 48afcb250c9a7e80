"""Draw the figure ``small_or_pruned``; see :mod:`filtertwins.figures.small_or_pruned`."""

from filtertwins.figures.output import main
from filtertwins.figures.small_or_pruned import draw

if __name__ == "__main__":
    main(draw)
