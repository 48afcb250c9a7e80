"""Draw the figure ``cost``; see :mod:`filtertwins.figures.cost`."""

from filtertwins.figures.cost import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
