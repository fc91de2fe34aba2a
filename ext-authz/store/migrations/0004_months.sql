-- Months are made ahead and retired by the recorder through these functions, so that its login needs no table of its
-- own to own.
SET LOCAL ROLE sallyport_keeper;

-- The one template of a partition. True where it made one. Attaching, unlike CREATE … PARTITION OF, lets inserts and
-- readers go on.
CREATE FUNCTION sallyport.make_gateway_audit_month(month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s'
AS $$
DECLARE
  first_day date := date_trunc('month', month);
  part text := to_char(first_day, '"gateway_audit_logs_"YYYY_MM');
BEGIN
  IF first_day NOT BETWEEN '2000-01-01' AND '2199-12-01' THEN
    RAISE EXCEPTION 'no month of the audit: %', month
      USING ERRCODE = 'datetime_field_overflow', HINT = 'A clock is wrong. Months from 2000-01 to 2199-12 have partitions.';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('sallyport.gateway_audit_months'));
  IF to_regclass(format('sallyport.%I', part)) IS NOT NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE sallyport.%I (LIKE sallyport.gateway_audit_logs
    INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION)', part);
  EXECUTE format('ALTER TABLE sallyport.%I ENABLE ROW LEVEL SECURITY', part);
  EXECUTE format('ALTER TABLE sallyport.%I FORCE ROW LEVEL SECURITY', part);
  EXECUTE format('CREATE TRIGGER table_stays BEFORE TRUNCATE ON sallyport.%I
    FOR EACH STATEMENT EXECUTE FUNCTION sallyport.refuse_change()', part);
  EXECUTE format('ALTER TABLE sallyport.gateway_audit_logs ATTACH PARTITION sallyport.%I FOR VALUES FROM (%L) TO (%L)',
    part, first_day::timestamptz, (first_day + interval '1 month')::timestamptz);
  RETURN true;
END
$$;

-- Takes an old month out of the table: no statement on the table sees it any more. Gives up after 2 s when somebody
-- still reads the table.
CREATE FUNCTION sallyport.detach_gateway_audit_month(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s'
AS $$
DECLARE
  first_day date := date_trunc('month', month);
  part text := to_char(first_day, '"gateway_audit_logs_"YYYY_MM');
BEGIN
  IF first_day + interval '1 month' > now() - interval '30 days' THEN
    RAISE EXCEPTION 'month % ended less than 30 days ago, it stays', to_char(first_day, 'YYYY-MM')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('sallyport.gateway_audit_months'));
  EXECUTE format('ALTER TABLE sallyport.gateway_audit_logs DETACH PARTITION sallyport.%I', part);
  EXECUTE format('ALTER TABLE sallyport.%I RENAME TO %I', part, part || '_retired');
  -- Lets the owner, and nobody else, read it for the digest.
  EXECUTE format('ALTER TABLE sallyport.%I NO FORCE ROW LEVEL SECURITY', part || '_retired');
END
$$;

-- What a detached month holds: SHA-256 over the chained SHA-256 of its minutes that have rows, in order, each over its
-- rows in order of the key:
-- timestamp (µs since 1970, 8 bytes) ‖ id (16) ‖ decision_hash (32) ‖ completion_hash (32), zeros where there is none.
-- By minutes, because no value of PostgreSQL may be larger than 1 GB.
CREATE FUNCTION sallyport.digest_gateway_audit_month(month date, OUT rows bigint, OUT digest bytea)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
  first_day date := date_trunc('month', month);
  part text := to_char(first_day, '"gateway_audit_logs_"YYYY_MM"_retired"');
  none bytea := decode(repeat('00', 32), 'hex');
  minute timestamptz;
  counted bigint;
  hashed bytea;
BEGIN
  rows := 0;
  digest := none;
  minute := first_day;
  LOOP
    EXECUTE format('SELECT date_trunc(''minute'', min("timestamp")) FROM sallyport.%I WHERE "timestamp" >= $1', part)
    INTO minute USING minute;
    EXIT WHEN minute IS NULL;
    EXECUTE format('SELECT count(*), sha256(string_agg(
        int8send((extract(epoch FROM "timestamp") * 1000000)::bigint) || uuid_send(id)
        || coalesce(decision_hash, $3) || coalesce(completion_hash, $3), '''' ORDER BY "timestamp", id))
      FROM sallyport.%I WHERE "timestamp" >= $1 AND "timestamp" < $2', part)
    INTO counted, hashed USING minute, minute + interval '1 minute', none;
    rows := rows + counted;
    digest := sha256(digest || hashed);
    minute := minute + interval '1 minute';
  END LOOP;
END
$$;

-- Drops a detached month, if the signed entry of its digest has been written.
CREATE FUNCTION sallyport.drop_gateway_audit_month(month date, digest bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s'
AS $$
DECLARE
  name text := to_char(month, 'YYYY-MM');
BEGIN
  IF NOT EXISTS (SELECT FROM sallyport.audit_batch_roots WHERE kind = 'dropped'
    AND CASE WHEN kind = 'dropped' THEN convert_from(leaves, 'UTF8')::jsonb @> jsonb_build_object('month', name, 'digest', encode(digest, 'hex')) END)
  THEN
    RAISE EXCEPTION 'month % has no signed entry with this digest, it stays', name USING ERRCODE = 'SP003';
  END IF;
  EXECUTE format('DROP TABLE sallyport.%I', to_char(month, '"gateway_audit_logs_"YYYY_MM"_retired"'));
END
$$;

REVOKE ALL ON FUNCTION sallyport.make_gateway_audit_month, sallyport.detach_gateway_audit_month,
  sallyport.digest_gateway_audit_month, sallyport.drop_gateway_audit_month FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sallyport.make_gateway_audit_month, sallyport.detach_gateway_audit_month,
  sallyport.digest_gateway_audit_month, sallyport.drop_gateway_audit_month TO sallyport_maintainer;

RESET ROLE;
