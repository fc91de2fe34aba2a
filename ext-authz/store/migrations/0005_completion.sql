-- The only ways to change a row (design.md §7): sallyport_completer owns these functions, the writer may call them.
SET LOCAL ROLE sallyport_keeper;
GRANT SELECT ON sallyport.gateway_audit_logs TO sallyport_completer;
GRANT UPDATE (outcome, status_code, response_headers, error_type, error_message, total_latency_ms, plant_latency_ms, problem,
  bytes_received, bytes_sent, upstream_host, upstream_attempts, response_flags, response_details, actual_cost,
  completion_bytes, completion_hash) ON sallyport.gateway_audit_logs TO sallyport_completer;
GRANT CREATE ON SCHEMA sallyport TO sallyport_completer;
RESET ROLE;

SET LOCAL ROLE sallyport_completer;

-- Completes rows that were written before their completion came; all of them or, with an error, none. Gives how many it
-- changed: a row that has this very completion is left alone. Fills empty columns only; but what came back is what
-- Envoy says, so its status replaces the one that an open refusal has from its decision.
-- Errors have the keys of all rows that they are about as JSON in their detail:
-- SP001 there is no such row; SP002 the row has another completion, or is not waiting for one.
CREATE FUNCTION sallyport.complete_gateway_audit_logs(completions jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  c record;
  have record;
  key jsonb;
  missing jsonb := '[]';
  taken jsonb := '[]';
  changed bigint := 0;
BEGIN
  FOR c IN
    -- In order of the key, so that two writers cannot wait for each other.
    SELECT * FROM jsonb_to_recordset(completions) AS late ("timestamp" timestamptz, id uuid, outcome text, status_code integer,
      response_headers jsonb, error_type text, error_message text, total_latency_ms double precision,
      plant_latency_ms double precision, problem text, bytes_received bigint, bytes_sent bigint, upstream_host text,
      upstream_attempts integer, response_flags text, response_details text, actual_cost bigint, completion_bytes bytea,
      completion_hash bytea)
    ORDER BY "timestamp", id
  LOOP
    IF c.outcome IS DISTINCT FROM 'completed' OR c.completion_hash IS NULL THEN
      RAISE EXCEPTION 'a completion has the outcome completed and a hash' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    key := jsonb_build_object('timestamp', (extract(epoch FROM c."timestamp") * 1000000)::bigint, 'id', c.id);

    SELECT g.outcome, g.completion_hash INTO have FROM sallyport.gateway_audit_logs AS g
      WHERE g."timestamp" = c."timestamp" AND g.id = c.id FOR UPDATE;
    IF NOT FOUND THEN
      missing := missing || key;
    ELSIF have.completion_hash = c.completion_hash THEN
      CONTINUE;
    ELSIF have.completion_hash IS NOT NULL OR have.outcome NOT IN ('open', 'unknown') THEN
      taken := taken || key;
    ELSE
      UPDATE sallyport.gateway_audit_logs AS g SET
        -- An upstream must not see what was refused.
        outcome = CASE WHEN g.verdict = 'deny' AND c.upstream_host IS NOT NULL THEN 'bypass_suspect' ELSE 'completed' END,
        status_code = coalesce(c.status_code, g.status_code),
        response_headers = coalesce(g.response_headers, c.response_headers),
        error_type = coalesce(g.error_type, c.error_type),
        error_message = coalesce(g.error_message, c.error_message),
        total_latency_ms = coalesce(g.total_latency_ms, c.total_latency_ms),
        plant_latency_ms = coalesce(g.plant_latency_ms, c.plant_latency_ms),
        problem = coalesce(g.problem, c.problem),
        bytes_received = coalesce(g.bytes_received, c.bytes_received),
        bytes_sent = coalesce(g.bytes_sent, c.bytes_sent),
        upstream_host = coalesce(g.upstream_host, c.upstream_host),
        upstream_attempts = coalesce(g.upstream_attempts, c.upstream_attempts),
        response_flags = coalesce(g.response_flags, c.response_flags),
        response_details = coalesce(g.response_details, c.response_details),
        actual_cost = coalesce(g.actual_cost, c.actual_cost),
        completion_bytes = c.completion_bytes,
        completion_hash = c.completion_hash
      WHERE g."timestamp" = c."timestamp" AND g.id = c.id;
      -- Under a forced policy an UPDATE that may not see its row changes none, and says nothing.
      IF NOT FOUND THEN
        RAISE EXCEPTION 'the completion of a row changed nothing' USING ERRCODE = 'insufficient_privilege';
      END IF;
      changed := changed + 1;
    END IF;
  END LOOP;

  IF missing <> '[]' THEN
    RAISE EXCEPTION '% completions have no row', jsonb_array_length(missing) USING ERRCODE = 'SP001', DETAIL = missing::text;
  ELSIF taken <> '[]' THEN
    RAISE EXCEPTION '% completions meet a row that is completed otherwise', jsonb_array_length(taken)
      USING ERRCODE = 'SP002', DETAIL = taken::text;
  END IF;
  RETURN changed;
END
$$;

-- The Envoy of a node has ended: requests that began before it and are open stay without completion. Gives how many
-- there were.
CREATE FUNCTION sallyport.end_gateway_audit_logs(of_node text, before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  changed bigint;
BEGIN
  UPDATE sallyport.gateway_audit_logs SET outcome = 'unknown'
    WHERE node = of_node AND outcome = 'open' AND "timestamp" < before;
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END
$$;

-- The root that a batch has: the writer, who may not read, learns whether a repeated batch is the same one.
CREATE FUNCTION sallyport.audit_batch_root(of_node text, of_number bigint) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT root FROM sallyport.audit_batch_roots WHERE node = of_node AND number = of_number $$;

-- The newest root of a node: where a recorder that lost its folder goes on.
CREATE FUNCTION sallyport.last_audit_batch_root(of_node text, OUT number bigint, OUT root bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT number, root FROM sallyport.audit_batch_roots WHERE node = of_node ORDER BY number DESC LIMIT 1 $$;

REVOKE ALL ON FUNCTION sallyport.complete_gateway_audit_logs, sallyport.end_gateway_audit_logs,
  sallyport.audit_batch_root, sallyport.last_audit_batch_root FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sallyport.complete_gateway_audit_logs, sallyport.end_gateway_audit_logs,
  sallyport.audit_batch_root, sallyport.last_audit_batch_root TO sallyport_writer;

RESET ROLE;
SET LOCAL ROLE sallyport_keeper;
REVOKE CREATE ON SCHEMA sallyport FROM sallyport_completer;
RESET ROLE;
