"""Memory: the peak of a training, estimated before it starts, and the ways to train that take less."""
