"""What every room needs: errors, the terminal, files, hashes, seeds."""
