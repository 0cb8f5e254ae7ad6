-- When the files that `inventory` stands for were found invalid. The state does not say it of a product that the
-- catalogue holds from an earlier copy.
ALTER TABLE sen2extract.ledger ADD COLUMN IF NOT EXISTS refused timestamptz;
