-- Our triggers before pgSTAC's (in the order of names), which locks the record of each partition that is written to until
-- the transaction ends: what ours do is done by then, and writers of a partition wait for one another less.
DROP TRIGGER IF EXISTS sen2extract_inserted ON pgstac.items;
DROP TRIGGER IF EXISTS before_pgstac_inserted ON pgstac.items;
CREATE TRIGGER before_pgstac_inserted AFTER INSERT ON pgstac.items
REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION sen2extract.observe();

DROP TRIGGER IF EXISTS sen2extract_updated ON pgstac.items;
DROP TRIGGER IF EXISTS before_pgstac_updated ON pgstac.items;
CREATE TRIGGER before_pgstac_updated AFTER UPDATE ON pgstac.items
REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION sen2extract.observe();

DROP TRIGGER IF EXISTS sen2extract_deleted ON pgstac.items;
DROP TRIGGER IF EXISTS before_pgstac_deleted ON pgstac.items;
CREATE TRIGGER before_pgstac_deleted AFTER DELETE ON pgstac.items
REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION sen2extract.observe();
