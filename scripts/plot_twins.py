"""Draw the figure ``twins``; see :mod:`filtertwins.figures.twins`."""

from filtertwins.figures.output import main
from filtertwins.figures.twins import draw

if __name__ == "__main__":
    main(draw)
