"""Sections of a run's report, one after another."""
