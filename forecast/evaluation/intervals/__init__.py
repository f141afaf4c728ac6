"""Prediction intervals around any forecasts."""
