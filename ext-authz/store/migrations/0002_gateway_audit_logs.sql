-- One row per request (AU-1, AU-2). Columns: ext-authz/store/audit-row.ts.
SET LOCAL ROLE sallyport_keeper;

CREATE TABLE sallyport.gateway_audit_logs (
  "timestamp" timestamptz NOT NULL,
  id uuid NOT NULL,
  node text NOT NULL,
  request_id text,
  correlation_id text,
  causation_id text,
  gateway text,
  gateway_type text,
  route text,
  http_method text,
  endpoint text,
  query_params jsonb,
  request_headers jsonb,
  request_body jsonb,
  user_id text,
  customer_id text,
  email text,
  roles text[],
  trial_mode boolean,
  opa_policies_evaluated text[],
  opa_decisions jsonb,
  opa_latency_ms double precision,
  status_code integer,
  response_headers jsonb,
  response_body jsonb CHECK (response_body IS NULL),
  error_type text,
  error_message text,
  total_latency_ms double precision,
  plant_latency_ms double precision,
  action text,
  resource text,
  resource_id text,
  event_id text,
  verdict text CHECK (verdict IN ('pass', 'deny')),
  problem text,
  stages jsonb,
  degraded text[],
  outcome text NOT NULL CHECK (outcome IN ('completed', 'envoy', 'open', 'unknown', 'skipped', 'bypass_suspect')),
  policy_version text,
  source text,
  target text,
  client_address text,
  decision_us bigint,
  bytes_received bigint,
  bytes_sent bigint,
  upstream_host text,
  upstream_attempts integer,
  response_flags text,
  response_details text,
  actual_cost bigint,
  decision_bytes bytea,
  decision_hash bytea,
  completion_bytes bytea,
  completion_hash bytea,
  -- Also the index by time, read backwards for the newest (AU-4).
  PRIMARY KEY ("timestamp", id)
) PARTITION BY RANGE ("timestamp");

-- AU-4. Each one serves a filter of the reader or a function below.
CREATE INDEX ON sallyport.gateway_audit_logs (correlation_id);
CREATE INDEX ON sallyport.gateway_audit_logs (request_id);
CREATE INDEX ON sallyport.gateway_audit_logs (user_id, "timestamp");
CREATE INDEX ON sallyport.gateway_audit_logs (customer_id, "timestamp");
CREATE INDEX ON sallyport.gateway_audit_logs (route, "timestamp");
CREATE INDEX ON sallyport.gateway_audit_logs (problem, "timestamp") WHERE problem IS NOT NULL;
CREATE INDEX ON sallyport.gateway_audit_logs ("timestamp", status_code) WHERE status_code >= 400;
CREATE INDEX ON sallyport.gateway_audit_logs (node, "timestamp") WHERE outcome = 'open';
CREATE INDEX ON sallyport.gateway_audit_logs USING gin (opa_decisions jsonb_path_ops);

-- AU-5. Partitions have no policies of their own and no grants: read directly, they give nothing to anybody.
ALTER TABLE sallyport.gateway_audit_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE sallyport.gateway_audit_logs FORCE ROW LEVEL SECURITY;

-- A setting that was SET LOCAL once is '' afterwards, not NULL. Sub-selects are evaluated once per query, not once per
-- row.
CREATE POLICY admin_all_access ON sallyport.gateway_audit_logs FOR SELECT TO sallyport_reader
  USING ((SELECT current_setting('app.role', true)) = 'admin');
CREATE POLICY customer_admin_logs ON sallyport.gateway_audit_logs FOR SELECT TO sallyport_reader
  USING ((SELECT current_setting('app.role', true)) = 'customer_admin'
    AND customer_id = (SELECT NULLIF(current_setting('app.customer_id', true), '')));
CREATE POLICY user_own_logs ON sallyport.gateway_audit_logs FOR SELECT TO sallyport_reader
  USING ((SELECT current_setting('app.role', true)) = 'user'
    AND user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));
CREATE POLICY system_insert_logs ON sallyport.gateway_audit_logs FOR INSERT TO sallyport_writer
  WITH CHECK (true);

GRANT SELECT ON sallyport.gateway_audit_logs TO sallyport_reader;
GRANT INSERT ON sallyport.gateway_audit_logs TO sallyport_writer;

-- What grants cannot say: nobody changes a row, not even who owns it, but the functions of sallyport_completer.
CREATE FUNCTION sallyport.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME LIKE 'gateway\_audit\_logs%' AND current_user = 'sallyport_completer' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% refused: % keeps what was written to it', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER rows_stay BEFORE UPDATE OR DELETE ON sallyport.gateway_audit_logs
  FOR EACH ROW EXECUTE FUNCTION sallyport.refuse_change();
CREATE TRIGGER table_stays BEFORE TRUNCATE ON sallyport.gateway_audit_logs
  FOR EACH STATEMENT EXECUTE FUNCTION sallyport.refuse_change();

RESET ROLE;
