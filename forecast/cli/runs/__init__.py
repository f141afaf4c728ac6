"""What several commands share: load, record, resume and show runs."""
