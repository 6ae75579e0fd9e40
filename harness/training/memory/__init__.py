"""Memory: a real step is measured before a stage is trained; what does not fit is trained in a way that takes less."""
