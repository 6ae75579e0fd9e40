"""Reports read evidence only: study tables, the leaderboard, figures."""
