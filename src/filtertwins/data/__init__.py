"""Data: images and labels from files of several kinds, as one ``Dataset``."""
