"""Product in, Cloud-Optimized GeoTIFFs and STAC items out."""
