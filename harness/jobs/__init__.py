"""Jobs: pieces of work that are trained in processes of their own, on this machine or elsewhere."""
