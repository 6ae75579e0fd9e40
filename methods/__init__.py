"""The built-in methods, one module each, registered through the entry-point group ``harness.methods``."""
