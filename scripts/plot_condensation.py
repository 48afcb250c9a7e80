"""Draw the figure ``condensation``; see :mod:`filtertwins.figures.condensation`."""

from filtertwins.figures.condensation import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
