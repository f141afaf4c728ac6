"""What a forecaster must beat."""
