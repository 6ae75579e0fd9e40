"""MLflow as a view of the evidence: written live, and rebuilt from it at any time."""
