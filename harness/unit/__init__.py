"""Units: the smallest piece of work that is run, cached, resumed and counted."""
