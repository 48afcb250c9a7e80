"""Draw the figure ``removal``; see :mod:`filtertwins.figures.removal`."""

from filtertwins.figures.output import main
from filtertwins.figures.removal import draw

if __name__ == "__main__":
    main(draw)
