"""Whatever can be added from outside: loaded from entry points, files and dotted paths, and registered by name."""
