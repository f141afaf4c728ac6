"""What the scale is made of: moments of columns, transforms of targets."""
