"""How fast the connector is, as ratios measured within one run. `make bench` writes results.md."""
