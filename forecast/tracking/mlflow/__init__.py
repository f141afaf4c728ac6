"""What MLflow needs of us: client, store, registry, and the pages that people open."""
