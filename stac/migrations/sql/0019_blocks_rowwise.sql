-- Places of blocks in a quarter of the bytes (see stac/blocks.py). What was written before stays as it is, and is read.
ALTER TABLE sen2extract.blocks ADD COLUMN IF NOT EXISTS rowwise boolean NOT NULL DEFAULT false;
