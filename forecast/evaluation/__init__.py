"""Scoring beside baselines, and the one story that every command tells."""
