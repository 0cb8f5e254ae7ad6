-- Places to keep an archive of: the operator's, and those that visitors ask for (see stac/areas.py).
CREATE TABLE IF NOT EXISTS sen2extract.area (
  name text PRIMARY KEY,
  tiles text[] NOT NULL DEFAULT '{}',
  -- GeoJSON, WGS 84.
  geometry jsonb,
  -- Days as they are written, such as today-30.
  first_day text NOT NULL DEFAULT 'today-30',
  last_day text NOT NULL DEFAULT 'today',
  -- Per cent; null does not restrict.
  max_cloud double precision,
  provider text NOT NULL DEFAULT 'cdse',
  levels text[] NOT NULL DEFAULT '{l2a}',
  newest_only boolean NOT NULL DEFAULT true,
  comment text NOT NULL DEFAULT '',
  -- The defaults are those of a request: it fetches nothing until somebody approves it.
  enabled boolean NOT NULL DEFAULT false,
  state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'approved')),
  created timestamptz NOT NULL DEFAULT now(),
  updated timestamptz NOT NULL DEFAULT now(),
  CHECK (cardinality(tiles) > 0 OR geometry IS NOT NULL),
  CHECK (state = 'approved' OR NOT enabled)
);
CREATE INDEX IF NOT EXISTS area_requested ON sen2extract.area (created) WHERE state = 'requested';

-- The service that reads may note a request, and nothing else of an area.
GRANT INSERT (name, tiles, geometry) ON sen2extract.area TO pgstac_read;
