"""The study's figures: one module each, from tidy tables to a figure and its caption.

Every figure module has ``draw(<table>, ...) -> (figure, caption)``. Its parameters are named after the tables
it reads (``runs`` is ``runs.csv``); options are keyword-only numbers. Drawing is pure: no file is read or
written, and no global setting of matplotlib is changed. :mod:`filtertwins.figures.output` saves, and is the
command line.
"""
