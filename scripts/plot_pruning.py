"""Draw the figure ``pruning``; see :mod:`filtertwins.figures.pruning`."""

from filtertwins.figures.output import main
from filtertwins.figures.pruning import draw

if __name__ == "__main__":
    main(draw)
