"""Proof by experiment that nothing leaks: the future is changed, and nothing before it moves."""
