"""What is predicted: one type that owns labels, outputs, loss, predictions, metrics and figures."""
