"""Protocol: dataset cards, labels, splits, the leak audit and the sealed scorer."""
