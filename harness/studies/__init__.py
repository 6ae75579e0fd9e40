"""Studies: which units they consist of, tuning, selection bias."""
