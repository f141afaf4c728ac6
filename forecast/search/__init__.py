"""Sweeps: candidates, trials, the ledger that survives a kill, the leaderboard."""
