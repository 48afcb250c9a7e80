"""Draw the figure ``similarity_vs_chance``; see :mod:`filtertwins.figures.similarity_vs_chance`."""

from filtertwins.figures.output import main
from filtertwins.figures.similarity_vs_chance import draw

if __name__ == "__main__":
    main(draw)
