-- Large extractions that Airflow runs: one row per job, one per chunk of it that has ended (see stac/jobs.py).
CREATE TABLE IF NOT EXISTS sen2extract.job (
  -- Random: who knows it may see, cancel and remove the job.
  id text PRIMARY KEY,
  -- Of collection, parameters, features and what it builds on: two jobs of one digest give the same.
  digest text NOT NULL,
  collection text NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled')),
  message text,
  request jsonb NOT NULL,
  estimate jsonb,
  -- How many there are; null until it is planned.
  chunks integer,
  -- Name, media type, key and size of each file.
  results jsonb NOT NULL DEFAULT '[]',
  -- What is missing from them, and why; the first few.
  failures jsonb NOT NULL DEFAULT '[]',
  created timestamptz NOT NULL DEFAULT now(),
  updated timestamptz NOT NULL DEFAULT now(),
  ended timestamptz,
  -- When Airflow was last asked about its run.
  checked timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS job_active ON sen2extract.job (digest) WHERE status IN ('queued', 'running');
CREATE INDEX IF NOT EXISTS job_created ON sen2extract.job (created);

CREATE TABLE IF NOT EXISTS sen2extract.job_chunk (
  job text NOT NULL REFERENCES sen2extract.job (id) ON DELETE CASCADE,
  number integer NOT NULL,
  -- Why it failed; null when it is done.
  reason text,
  rows bigint NOT NULL DEFAULT 0,
  -- Items of which something could not be read.
  unread text[] NOT NULL DEFAULT '{}',
  dropped bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (job, number)
);

-- The one thing that the services write: a job is theirs to accept, to cancel and to remove.
GRANT INSERT, UPDATE, DELETE ON sen2extract.job TO pgstac_read;
