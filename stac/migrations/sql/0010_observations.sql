-- What a series has to know of an item, in a few columns (see stac/observations.py), so that no STAC JSON is read.
-- Derived from pgstac.items by triggers on it: whoever writes items, and by whatever way, keeps it true.
-- PostGIS lies in the one or the other, by whoever made it.
SET LOCAL search_path TO sen2extract, pgstac, public;

CREATE TABLE IF NOT EXISTS sen2extract.observations (
    collection text NOT NULL,
    item_id text NOT NULL,
    acquired timestamptz NOT NULL,
    platform text NOT NULL,
    -- Starts of the datatake and of the datastrip, as 20250105T031121; the latter is empty where it is not known.
    take text NOT NULL,
    strip text NOT NULL,
    tile text NOT NULL,
    -- The processing baseline as numbers; -1, -1 for a provider's own (99.99) and where it is not known.
    baseline_major smallint NOT NULL,
    baseline_minor smallint NOT NULL,
    cloud_cover float8,
    deprecated boolean NOT NULL,
    -- Whether the pixels come from an archive that had lost something already.
    lossy boolean NOT NULL,
    mask_fields text[] NOT NULL,
    -- Where the item's objects lie, as s3://bucket/…/.
    folder text NOT NULL,
    -- By asset: [name of the object below the folder, or its whole s3 address,
    --            [epsg, left, top, pixel size, height, width, scale, offset, nodata]].
    images jsonb NOT NULL,
    footprint geometry NOT NULL,
    PRIMARY KEY (collection, item_id)
);
-- Where, of the items in use (btree_gist, which pgSTAC needs itself, lets the collection take part).
CREATE INDEX IF NOT EXISTS observations_place ON sen2extract.observations USING gist (collection, footprint)
WHERE NOT deprecated;
CREATE INDEX IF NOT EXISTS observations_scene ON sen2extract.observations (collection, tile, take);

-- Assets are objects; `base` is what pgSTAC took out of an asset because its collection says the same. These functions
-- are PL/pgSQL for the sake of variables: an expression that SQL repeats would decompress the item each time.

-- Where an asset's pixels lie, as `images` has it; null for one that does not say so.
CREATE OR REPLACE FUNCTION sen2extract.image_of(asset jsonb, base jsonb, code text, folder text) RETURNS jsonb AS $$
DECLARE
    address text := asset->'alternate'->'s3'->>'href';
    shape jsonb := coalesce(asset->'proj:shape', base->'proj:shape');
    grid jsonb := coalesce(asset->'proj:transform', base->'proj:transform');
    band jsonb := coalesce(base->'bands'->0, '{}') || coalesce(asset->'bands'->0, '{}');
    epsg int := substring(coalesce(asset->>'proj:code', base->>'proj:code', code) FROM ':(\d{1,6})$')::int;
BEGIN
    IF epsg IS NULL OR address IS NULL OR address NOT LIKE 's3://%' OR NOT coalesce(
        jsonb_typeof(shape->0) = 'number' AND jsonb_typeof(shape->1) = 'number' AND jsonb_typeof(grid->0) = 'number'
        AND jsonb_typeof(grid->2) = 'number' AND jsonb_typeof(grid->5) = 'number', false
    ) THEN
        RETURN NULL;
    END IF;
    RETURN jsonb_build_array(
        CASE WHEN starts_with(address, folder) THEN substr(address, length(folder) + 1) ELSE address END,
        jsonb_build_array(
            epsg, grid->2, grid->5, grid->0, shape->0, shape->1,
            coalesce(asset->'raster:scale', base->'raster:scale', band->'raster:scale', '1'),
            coalesce(asset->'raster:offset', base->'raster:offset', band->'raster:offset', '0'),
            coalesce(asset->'nodata', base->'nodata', band->'nodata')
        )
    );
END
$$ LANGUAGE plpgsql IMMUTABLE;

-- The names of the fields that a mask holds.
CREATE OR REPLACE FUNCTION sen2extract.fields_of(asset jsonb, base jsonb) RETURNS text[] AS $$
DECLARE
    held jsonb := coalesce(asset->'classification:bitfields', base->'classification:bitfields');
    shared jsonb := base->'classification:bitfields';
BEGIN
    IF jsonb_typeof(held) IS DISTINCT FROM 'array' THEN
        RETURN '{}';
    END IF;
    -- Of two lists of one length pgSTAC has taken out what is equal, entry by entry.
    IF jsonb_typeof(shared) IS DISTINCT FROM 'array' OR jsonb_array_length(shared) <> jsonb_array_length(held) THEN
        shared := '[]';
    END IF;
    RETURN ARRAY(
        SELECT coalesce(field->>'name', shared->(position::int - 1)->>'name')
        FROM jsonb_array_elements(held) WITH ORDINALITY AS one (field, position)
        WHERE coalesce(field->>'name', shared->(position::int - 1)->>'name') IS NOT NULL
        ORDER BY position
    );
END
$$ LANGUAGE plpgsql IMMUTABLE;

-- The row of an item, given by the columns of pgstac.items and the assets of its base item.
CREATE OR REPLACE FUNCTION sen2extract.observation_of(
    collection text, id text, datetime timestamptz, geometry geometry, content jsonb, base jsonb
) RETURNS sen2extract.observations AS $$
DECLARE
    p jsonb := content->'properties';
    assets jsonb := content->'assets';
    version text[] := regexp_match(
        coalesce(p->>'s2:processing_baseline', p->>'processing:version'), '^(\d\d?)(?:\.|(?=\d\d$))(\d\d?)$'
    );
    told sen2extract.observations;
    asset record;
    image jsonb;
BEGIN
    IF version IS NULL OR version = '{99,99}' THEN
        version := '{-1,-1}';
    END IF;
    told.collection := collection;
    told.item_id := id;
    told.acquired := datetime;
    told.platform := coalesce(p->>'platform', '');
    told.take := coalesce(
        substring(p->>'s2:datatake_id' FROM '_(\d{8}T\d{6})_'),
        substring(id FROM '_(\d{8}T\d{6})_N\d{4}_'),
        to_char(datetime AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MI')
    );
    told.strip := coalesce(substring(p->>'s2:datastrip_id' FROM '_S(\d{8}T\d{6})_'), '');
    told.tile := regexp_replace(coalesce(p->>'grid:code', ''), '^MGRS-', '');
    told.baseline_major := version[1];
    told.baseline_minor := version[2];
    IF jsonb_typeof(p->'eo:cloud_cover') = 'number' THEN
        told.cloud_cover := p->'eo:cloud_cover';
    END IF;
    told.deprecated := coalesce(p->'deprecated' = 'true', false);
    told.lossy := coalesce(p->'sen2extract:lossy' = 'true', false);
    told.mask_fields := '{}';
    told.folder := '';
    told.images := '{}';
    told.footprint := geometry;
    FOR asset IN
        -- What is no object is pgSTAC's mark of an asset that the collection has and the item has not.
        SELECT key, value, base->key AS base FROM jsonb_each(assets) WHERE jsonb_typeof(value) = 'object' ORDER BY key
    LOOP
        IF told.folder = '' THEN
            told.folder := coalesce(substring(asset.value->'alternate'->'s3'->>'href' FROM '^s3://.*/'), '');
        END IF;
        image := sen2extract.image_of(asset.value, asset.base, p->>'proj:code', told.folder);
        IF image IS NOT NULL THEN
            told.images := told.images || jsonb_build_object(asset.key, image);
        END IF;
        IF asset.key = 'MASK' THEN
            told.mask_fields := sen2extract.fields_of(asset.value, asset.base);
        END IF;
    END LOOP;
    RETURN told;
END
$$ LANGUAGE plpgsql STABLE;

-- The rows that the items should have: all of them, or those with an id of `ids`.
CREATE OR REPLACE FUNCTION sen2extract.observations_of_items(ids text[] DEFAULT NULL)
RETURNS SETOF sen2extract.observations AS $$
    WITH wanted AS (SELECT * FROM pgstac.items AS i WHERE ids IS NULL OR i.id = ANY(ids)),
    bases AS MATERIALIZED (
        SELECT k.collection, k.tag, pgstac.collection_base_item(k.collection, k.tag::int)->'assets' AS assets
        FROM (SELECT DISTINCT w.collection, w.content->>'pgstac:base_item' AS tag FROM wanted AS w) AS k
    )
    SELECT o.* FROM wanted AS w
    JOIN bases AS b ON b.collection = w.collection AND b.tag IS NOT DISTINCT FROM w.content->>'pgstac:base_item'
    CROSS JOIN LATERAL
    sen2extract.observation_of(w.collection, w.id, w.datetime, w.geometry, w.content, b.assets) AS o
$$ LANGUAGE sql STABLE SET search_path TO pgstac, public;

CREATE OR REPLACE FUNCTION sen2extract.observe() RETURNS trigger AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'UPDATE') THEN
        DELETE FROM sen2extract.observations AS o USING before AS i
        WHERE o.collection = i.collection AND o.item_id = i.id;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        INSERT INTO sen2extract.observations
        WITH bases AS MATERIALIZED (
            SELECT k.collection, k.tag, pgstac.collection_base_item(k.collection, k.tag::int)->'assets' AS assets
            FROM (SELECT DISTINCT i.collection, i.content->>'pgstac:base_item' AS tag FROM after AS i) AS k
        )
        SELECT o.* FROM after AS i
        JOIN bases AS b ON b.collection = i.collection AND b.tag IS NOT DISTINCT FROM i.content->>'pgstac:base_item'
        CROSS JOIN LATERAL
        sen2extract.observation_of(i.collection, i.id, i.datetime, i.geometry, i.content, b.assets) AS o;
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path TO pgstac, public;

CREATE OR REPLACE FUNCTION sen2extract.forget_collection() RETURNS trigger AS $$
BEGIN
    -- pgSTAC drops the tables of a collection's items, which no trigger on items sees.
    DELETE FROM sen2extract.observations WHERE collection = OLD.id;
    RETURN NULL;
END
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path TO pgstac, public;

DROP TRIGGER IF EXISTS sen2extract_inserted ON pgstac.items;
CREATE TRIGGER sen2extract_inserted AFTER INSERT ON pgstac.items
REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION sen2extract.observe();

DROP TRIGGER IF EXISTS sen2extract_updated ON pgstac.items;
CREATE TRIGGER sen2extract_updated AFTER UPDATE ON pgstac.items
REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION sen2extract.observe();

DROP TRIGGER IF EXISTS sen2extract_deleted ON pgstac.items;
CREATE TRIGGER sen2extract_deleted AFTER DELETE ON pgstac.items
REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION sen2extract.observe();

DROP TRIGGER IF EXISTS sen2extract_deleted ON pgstac.collections;
CREATE TRIGGER sen2extract_deleted AFTER DELETE ON pgstac.collections
FOR EACH ROW EXECUTE FUNCTION sen2extract.forget_collection();

-- An archive that exists. The triggers have locked out writers, until this is committed too.
INSERT INTO sen2extract.observations SELECT * FROM sen2extract.observations_of_items()
ON CONFLICT (collection, item_id) DO NOTHING;
