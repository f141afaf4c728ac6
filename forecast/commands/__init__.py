"""The commands: one corridor each, the only place that knows every room."""
