"""Data: finding, reading and checking what a dataset is made of; making the folder of a new one."""
