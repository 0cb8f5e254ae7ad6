-- The block index: where in each COG each block of its full-resolution image lies (see stac/blocks.py).
CREATE TABLE IF NOT EXISTS sen2extract.blocks (
    collection text NOT NULL,
    item_id text NOT NULL,
    asset text NOT NULL,
    key text NOT NULL UNIQUE,
    epsg integer NOT NULL,
    origin_left float8 NOT NULL,
    origin_top float8 NOT NULL,
    pixel_size float8 NOT NULL,
    height integer NOT NULL,
    width integer NOT NULL,
    block_size integer NOT NULL,
    data_type text NOT NULL,
    codec text NOT NULL,
    predictor smallint NOT NULL,
    scale float8 NOT NULL,
    "offset" float8 NOT NULL,
    nodata float8,
    spans bytea NOT NULL,
    PRIMARY KEY (collection, item_id, asset)
);

-- Uncompressed and out of line: substring() then fetches the 12 bytes asked for, not all blocks of the image.
ALTER TABLE sen2extract.blocks ALTER COLUMN spans SET STORAGE EXTERNAL;
