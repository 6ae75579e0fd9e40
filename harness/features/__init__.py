"""Features: the packed memory-mapped store and its extraction."""
