"""Whether one forecaster is better than others, or the difference may be luck."""
