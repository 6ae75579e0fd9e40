"""What plugins are written against: the contract of a method."""
