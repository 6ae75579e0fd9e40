"""Studies on the same slides against each other: differences, tests, what is shown of them."""
