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
