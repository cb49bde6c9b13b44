"""Ratios against fair baselines, measured in one run: ``python -m benchmarks.run``."""
