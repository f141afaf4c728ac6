"""A trained run as a bundle that takes raw rows and gives a forecast."""
