-- Packs: one asset of one tile at many dates in one object per part of the tile (see stac/packs.py). Derived data.
CREATE TABLE IF NOT EXISTS sen2extract.packs (
    id text PRIMARY KEY,
    series text NOT NULL,
    keys text [] NOT NULL,
    epsg integer NOT NULL,
    origin_left float8 NOT NULL,
    origin_top float8 NOT NULL,
    pixel_size float8 NOT NULL,
    height integer NOT NULL,
    width integer NOT NULL,
    part_size integer NOT NULL,
    block_size integer NOT NULL,
    data_type text NOT NULL,
    codec text NOT NULL,
    predictor smallint NOT NULL,
    nodata float8,
    created timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS packs_by_series ON sen2extract.packs (series);

CREATE TABLE IF NOT EXISTS sen2extract.pack_parts (
    pack text NOT NULL REFERENCES sen2extract.packs ON DELETE CASCADE,
    part_row integer NOT NULL,
    part_column integer NOT NULL,
    key text NOT NULL UNIQUE,
    size bigint NOT NULL,
    spans bytea NOT NULL,
    PRIMARY KEY (pack, part_row, part_column)
);

-- As with the block index: substring() then fetches the 12 bytes asked for.
ALTER TABLE sen2extract.pack_parts ALTER COLUMN spans SET STORAGE EXTERNAL;
