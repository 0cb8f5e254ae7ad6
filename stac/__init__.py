"""What a Sentinel-2 product is and where it is recorded: the contract that ingestion and serving share."""
