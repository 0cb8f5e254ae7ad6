"""The time-series engine: no web framework in here, so that batch work runs the very same code."""
