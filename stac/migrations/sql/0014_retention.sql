-- What is made and kept of watched areas (see stac/areas.py), and what the ledger knows of things that are no more.
ALTER TABLE sen2extract.area
  ADD COLUMN IF NOT EXISTS orbits integer[] NOT NULL DEFAULT '{}',
  -- 05.11, or a range such as 05.00..; null does not restrict.
  ADD COLUMN IF NOT EXISTS baseline text,
  -- Empty: the archive's own choice.
  ADD COLUMN IF NOT EXISTS indices text[] NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS masks text[] NOT NULL DEFAULT '{}',
  -- Rules (see stac/areas_rules.py); null: those of INGEST_RETENTION, an empty list: everything stays.
  ADD COLUMN IF NOT EXISTS retention jsonb;

ALTER TABLE sen2extract.ledger
  -- Where a download of ours lies, until it is removed once it is published; never what somebody else put there.
  ADD COLUMN IF NOT EXISTS fetched text,
  -- Items, as collection/id, that retention took out: they are not fetched, made or ingested again unasked.
  ADD COLUMN IF NOT EXISTS removed text[] NOT NULL DEFAULT '{}',
  -- Folders of the bucket whose objects are still to be removed, since their items are gone.
  ADD COLUMN IF NOT EXISTS discard text[] NOT NULL DEFAULT '{}';
CREATE INDEX IF NOT EXISTS ledger_fetched ON sen2extract.ledger (id) WHERE fetched IS NOT NULL;
CREATE INDEX IF NOT EXISTS ledger_removed ON sen2extract.ledger (id) WHERE removed <> '{}';
CREATE INDEX IF NOT EXISTS ledger_discard ON sen2extract.ledger (id) WHERE discard <> '{}';
