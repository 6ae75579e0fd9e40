"""The built-in sources of bags: slides, patch images, and one table of bags."""
