"""The page of `forecast compare`."""
