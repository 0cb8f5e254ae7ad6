-- Products that a provider offers: `seen` until they are fetched, then `downloaded`, until they are ingested.
ALTER TABLE sen2extract.ledger ADD COLUMN IF NOT EXISTS offer jsonb;
ALTER TABLE sen2extract.ledger DROP CONSTRAINT IF EXISTS ledger_state_check;
ALTER TABLE sen2extract.ledger ADD CONSTRAINT ledger_state_check CHECK (
  state IN (
    'seen', 'downloading', 'downloaded', 'converting', 'published', 'failed', 'invalid', 'superseded', 'removed'
  )
);
