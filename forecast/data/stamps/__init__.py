"""Columns of time stamps: how they are written, which zone they state, and rows put together."""
