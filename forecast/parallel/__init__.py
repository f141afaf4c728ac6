"""Work that falls into parts: this process, or workers beside it."""
