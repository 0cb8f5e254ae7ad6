-- The services read, ingestion writes. Groups as pgSTAC names them; a login role is a member of one.
GRANT USAGE ON SCHEMA sen2extract TO pgstac_read, pgstac_ingest;
GRANT SELECT ON ALL TABLES IN SCHEMA sen2extract TO pgstac_read;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sen2extract TO pgstac_ingest;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA sen2extract TO pgstac_ingest;
