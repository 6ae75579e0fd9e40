"""Kept models: what a trained unit leaves so that it can predict again, and what is done with it later."""
