"""Frames become checked tables; tables are cut, scaled and windowed."""
