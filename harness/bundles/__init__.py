"""A study's evidence as one file or reviewed folder that others can verify, and statements that sign it."""
