"""Draw the figure ``one_fewer``; see :mod:`filtertwins.figures.one_fewer`."""

from filtertwins.figures.one_fewer import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
