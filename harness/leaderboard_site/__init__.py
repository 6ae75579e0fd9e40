"""The leaderboard as a static site: what is on it, and its pages."""
