"""Draw the figure ``controls``; see :mod:`filtertwins.figures.controls`."""

from filtertwins.figures.controls import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
