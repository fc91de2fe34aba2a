-- Roles are of the whole server, so they may be there already: another database of the same server may use them.
-- sallyport_keeper      owns the tables and the functions that make and drop partitions; nobody logs in as it
-- sallyport_completer   owns the functions that complete rows; BYPASSRLS, because a forced policy would show it nothing
-- sallyport_writer      the recorder: inserts, completes
-- sallyport_maintainer  the recorder: makes and drops months
-- sallyport_reader      everybody who reads; row-level security applies
DO $$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN
    SELECT * FROM (VALUES ('sallyport_keeper', 'NOBYPASSRLS'), ('sallyport_completer', 'BYPASSRLS'),
      ('sallyport_writer', 'NOBYPASSRLS'), ('sallyport_maintainer', 'NOBYPASSRLS'),
      ('sallyport_reader', 'NOBYPASSRLS')) AS roles (name, bypass)
  LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN %s', wanted.name, wanted.bypass);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- Made by another database's migration in this moment.
    END;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name
               AND (rolsuper OR rolcanlogin OR rolbypassrls <> (wanted.bypass = 'BYPASSRLS'))) THEN
      RAISE EXCEPTION 'role % exists with other attributes: it must be NOLOGIN NOSUPERUSER %', wanted.name, wanted.bypass
        USING HINT = format('Run: ALTER ROLE %I NOLOGIN NOSUPERUSER %s', wanted.name, wanted.bypass);
    END IF;
  END LOOP;

  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT sallyport_keeper TO %I WITH INHERIT TRUE, SET TRUE', current_user);
    EXECUTE format('GRANT sallyport_completer TO %I WITH INHERIT FALSE, SET TRUE', current_user);
  END IF;
  -- A database may have taken these from PUBLIC. The writer copies into a temporary table.
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO sallyport_writer, sallyport_maintainer, sallyport_reader', current_database());
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO sallyport_writer', current_database());
END
$$;

ALTER SCHEMA sallyport OWNER TO sallyport_keeper;
ALTER TABLE sallyport.migrations OWNER TO sallyport_keeper;

SET LOCAL ROLE sallyport_keeper;
REVOKE ALL ON SCHEMA sallyport FROM PUBLIC;
GRANT USAGE ON SCHEMA sallyport TO sallyport_completer, sallyport_writer, sallyport_maintainer, sallyport_reader;
RESET ROLE;
