"""The pictures and the page of gates."""
