"""Draw the figure ``excess_over_chance``; see :mod:`filtertwins.figures.excess_over_chance`."""

from filtertwins.figures.excess_over_chance import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
