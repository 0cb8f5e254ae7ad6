"""Tiles of one image of an item, without GDAL: what most maps ask for, at a fraction of what TiTiler needs.

A lane answers the very addresses of TiTiler's tiles, or leaves them to it: what it does not know, it does not touch.
"""
