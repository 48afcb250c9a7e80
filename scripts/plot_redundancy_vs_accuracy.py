"""Draw the figure ``redundancy_vs_accuracy``; see :mod:`filtertwins.figures.redundancy_vs_accuracy`."""

from filtertwins.figures.output import main
from filtertwins.figures.redundancy_vs_accuracy import draw

if __name__ == "__main__":
    main(draw)
