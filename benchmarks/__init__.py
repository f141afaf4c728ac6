"""Speed, measured: each comparison runs both sides in turn, each in a process of its own."""
