-- The finished documents of items (`stac.finished`) stand in `private`. Whoever changes an item's content in place, which
-- neither we nor pgSTAC do but its loader's upsert, leaves the document to be put together when it is asked for.
CREATE OR REPLACE FUNCTION sen2extract.unfinished() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.private := NEW.private - 'finished';
  RETURN NEW;
END
$$;

DROP TRIGGER IF EXISTS unfinished ON pgstac.items;
CREATE TRIGGER unfinished BEFORE UPDATE ON pgstac.items FOR EACH ROW
WHEN (OLD.private ? 'finished' AND OLD.private->'finished' = NEW.private->'finished'
  AND OLD.content IS DISTINCT FROM NEW.content)
EXECUTE FUNCTION sen2extract.unfinished();

-- LZ4 takes a fifth of pglz's time to compress, and a third to read. Not every PostgreSQL is built with it.
DO $$
BEGIN
  ALTER TABLE pgstac.items ALTER COLUMN content SET COMPRESSION lz4, ALTER COLUMN private SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
  RAISE NOTICE 'this PostgreSQL has no LZ4: items are compressed by pglz';
END
$$;
