"""The regression gate: bands of reference scores from seeded runs, and reruns that are held against them."""
