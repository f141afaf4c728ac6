"""Tables on disk, of any size, written once and read block by block."""
