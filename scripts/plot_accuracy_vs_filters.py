"""Draw the figure ``accuracy_vs_filters``; see :mod:`filtertwins.figures.accuracy_vs_filters`."""

from filtertwins.figures.accuracy_vs_filters import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
