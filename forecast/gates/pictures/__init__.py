"""What the gates look like: one file a picture, all of one size, light on any ground."""
