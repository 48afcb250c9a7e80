"""Draw the figure ``kernel_gallery``; see :mod:`filtertwins.figures.kernel_gallery`."""

from filtertwins.figures.kernel_gallery import draw
from filtertwins.figures.output import main

if __name__ == "__main__":
    main(draw)
