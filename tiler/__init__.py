"""Pixels out: map tiles, time series and the web page."""
