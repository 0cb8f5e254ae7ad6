-- The row of an item in half the time: its images by one query instead of a function's call for each of them.
-- What the rows say is the same, so that those that are there stay as they are.
SET LOCAL search_path TO sen2extract, pgstac, public;

-- The row of an item, given by the columns of pgstac.items and the assets of its base item.
CREATE OR REPLACE FUNCTION sen2extract.observation_of(
    collection text, id text, datetime timestamptz, geometry geometry, content jsonb, base jsonb
) RETURNS sen2extract.observations AS $$
DECLARE
    p jsonb := content->'properties';
    assets jsonb := content->'assets';
    -- Where an asset itself does not say it.
    code text := p->>'proj:code';
    version text[] := regexp_match(
        coalesce(p->>'s2:processing_baseline', p->>'processing:version'), '^(\d\d?)(?:\.|(?=\d\d$))(\d\d?)$'
    );
    told sen2extract.observations;
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
    IF jsonb_typeof(assets->'MASK') = 'object' THEN
        told.mask_fields := sen2extract.fields_of(assets->'MASK', base->'MASK');
    END IF;
    told.folder := coalesce((
        SELECT substring(a.value->'alternate'->'s3'->>'href' FROM '^s3://.*/') FROM jsonb_each(assets) AS a
        WHERE a.value->'alternate'->'s3'->>'href' LIKE 's3://%/%' ORDER BY a.key LIMIT 1
    ), '');
    told.footprint := geometry;
    -- Each asset merged with what its collection says of it. OFFSET 0 keeps the planner from repeating expressions.
    SELECT coalesce(jsonb_object_agg(m.name, jsonb_build_array(
        CASE WHEN starts_with(m.address, told.folder) THEN substr(m.address, length(told.folder) + 1)
        ELSE m.address END,
        jsonb_build_array(
            m.epsg, m.grid->2, m.grid->5, m.grid->0, m.shape->0, m.shape->1,
            coalesce(
                m.own->'raster:scale', m.common->'raster:scale',
                m.own->'bands'->0->'raster:scale', m.common->'bands'->0->'raster:scale', '1'
            ),
            coalesce(
                m.own->'raster:offset', m.common->'raster:offset',
                m.own->'bands'->0->'raster:offset', m.common->'bands'->0->'raster:offset', '0'
            ),
            coalesce(
                m.own->'nodata', m.common->'nodata', m.own->'bands'->0->'nodata', m.common->'bands'->0->'nodata'
            )
        )
    )), '{}') INTO told.images FROM (
        SELECT a.name, a.own, a.common, a.address,
            coalesce(a.own->'proj:shape', a.common->'proj:shape') AS shape,
            coalesce(a.own->'proj:transform', a.common->'proj:transform') AS grid,
            substring(coalesce(a.own->>'proj:code', a.common->>'proj:code', code) FROM ':(\d{1,6})$')::int AS epsg
        FROM (
            SELECT key AS name, value AS own, base->key AS common, value->'alternate'->'s3'->>'href' AS address
            FROM jsonb_each(assets)
            -- What is no object is pgSTAC's mark of an asset that the collection has and the item has not.
            WHERE jsonb_typeof(value) = 'object' OFFSET 0
        ) AS a WHERE a.address LIKE 's3://%' OFFSET 0
    ) AS m WHERE m.epsg IS NOT NULL
    AND jsonb_typeof(m.shape->0) = 'number' AND jsonb_typeof(m.shape->1) = 'number'
    AND jsonb_typeof(m.grid->0) = 'number' AND jsonb_typeof(m.grid->2) = 'number'
    AND jsonb_typeof(m.grid->5) = 'number';
    RETURN told;
END
$$ LANGUAGE plpgsql STABLE;

DROP FUNCTION IF EXISTS sen2extract.image_of(jsonb, jsonb, text, text);
