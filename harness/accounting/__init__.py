"""Accounting: time, memory and device hours, by stage."""
