"""Studies: what was asked, resolved into units, and run."""
