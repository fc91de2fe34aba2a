-- Signed roots over what each batch wrote and over each month that was dropped (design.md §7). Insert only; never
-- dropped.
SET LOCAL ROLE sallyport_keeper;

CREATE TABLE sallyport.audit_batch_roots (
  kind text NOT NULL CHECK (kind IN ('batch', 'dropped')),
  node text NOT NULL,
  number bigint NOT NULL CHECK (number >= 1),
  made_at timestamptz NOT NULL,
  previous bytea NOT NULL CHECK (octet_length(previous) = 32),
  leaves bytea NOT NULL,
  leaf_count integer NOT NULL CHECK (leaf_count >= 0),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  signature bytea NOT NULL,
  key_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (node, number)
);

-- Leaves are hashes, which nothing can compress.
ALTER TABLE sallyport.audit_batch_roots ALTER COLUMN leaves SET STORAGE EXTERNAL;

CREATE INDEX ON sallyport.audit_batch_roots (made_at) WHERE kind = 'dropped';

ALTER TABLE sallyport.audit_batch_roots ENABLE ROW LEVEL SECURITY;
ALTER TABLE sallyport.audit_batch_roots FORCE ROW LEVEL SECURITY;
CREATE POLICY admin_all_access ON sallyport.audit_batch_roots FOR SELECT TO sallyport_reader
  USING ((SELECT current_setting('app.role', true)) = 'admin');
CREATE POLICY system_insert_roots ON sallyport.audit_batch_roots FOR INSERT TO sallyport_writer
  WITH CHECK (true);
-- drop_gateway_audit_month looks for the signed entry of its month.
CREATE POLICY owner_dropped_roots ON sallyport.audit_batch_roots FOR SELECT TO sallyport_keeper
  USING (kind = 'dropped');

GRANT SELECT ON sallyport.audit_batch_roots TO sallyport_reader, sallyport_completer;
GRANT INSERT ON sallyport.audit_batch_roots TO sallyport_writer;

CREATE TRIGGER rows_stay BEFORE UPDATE OR DELETE ON sallyport.audit_batch_roots
  FOR EACH ROW EXECUTE FUNCTION sallyport.refuse_change();
CREATE TRIGGER table_stays BEFORE TRUNCATE ON sallyport.audit_batch_roots
  FOR EACH STATEMENT EXECUTE FUNCTION sallyport.refuse_change();

RESET ROLE;
