"""Draw the figure ``obd``; see :mod:`filtertwins.figures.obd`."""

from filtertwins.figures.obd import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
