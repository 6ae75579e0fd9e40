"""An index over a runs folder: what was read from its files before. A view, never the truth."""
