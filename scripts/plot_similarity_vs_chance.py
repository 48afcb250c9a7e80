"""Draw the figure ``similarity_vs_chance``; see :mod:`filtertwins.figures.similarity_vs_chance`."""

from filtertwins.figures.similarity_vs_chance import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
