-- What happened to each product: one row per product, named by its product name, or by its source where none can be read.
CREATE TABLE IF NOT EXISTS sen2extract.ledger (
  id text PRIMARY KEY,
  state text NOT NULL
    CHECK (state IN ('seen', 'converting', 'published', 'failed', 'invalid', 'superseded', 'removed')),
  attempts integer NOT NULL DEFAULT 0,
  -- Who is at it, and until when at most; both null when nobody is.
  owner text,
  lease_until timestamptz,
  reason text,
  source text NOT NULL,
  -- Of the product's content, as its item has it.
  fingerprint text,
  -- Of names, sizes and times of the source's files: whether it is worth another look.
  inventory text,
  -- Seconds by step, of the last attempt.
  timings jsonb NOT NULL DEFAULT '{}',
  -- The items it has in the catalogue, as collection/id.
  items text[] NOT NULL DEFAULT '{}',
  first_seen timestamptz NOT NULL DEFAULT now(),
  updated timestamptz NOT NULL DEFAULT now(),
  CHECK ((owner IS NULL) = (lease_until IS NULL))
);
CREATE INDEX IF NOT EXISTS ledger_newest ON sen2extract.ledger (updated DESC, id);
CREATE INDEX IF NOT EXISTS ledger_state ON sen2extract.ledger (state, updated DESC, id);
CREATE INDEX IF NOT EXISTS ledger_source ON sen2extract.ledger (source);
