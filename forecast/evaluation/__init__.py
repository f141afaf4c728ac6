"""Scoring beside baselines, the one story that every command tells, and the proof of it."""

from forecast.evaluation.leak_proof import leak_proof as leak_proof
