"""Draw the figure ``criteria``; see :mod:`filtertwins.figures.criteria`."""

from filtertwins.figures.criteria import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
