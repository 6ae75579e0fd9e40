"""Slides: reading, resolution, tissue, tile grids, the per-slide index, preparation."""
