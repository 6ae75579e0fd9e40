"""Whether evidence is what a run left behind: what follows from it, recomputed and compared with what it says."""
