"""The best forecast in a given time."""
