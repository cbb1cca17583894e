"""Measure how fast the connector is, as ratios within one run. `make bench` writes results.md."""
