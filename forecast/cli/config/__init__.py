"""The configuration: its keys, how it is composed, and what is refused."""
