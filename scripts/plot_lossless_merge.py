"""Draw the figure ``lossless_merge``; see :mod:`filtertwins.figures.lossless_merge`."""

from filtertwins.figures.lossless_merge import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
