# ruff: noqa: E501 - bodies in one line each, as a table
"""Bodies that run and bodies that do not, each with what shows it: the server's own word decides.

In the SQL `@` stands for the case's number, so that all cases live in one database.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    name: str
    sql: str
    runs: tuple[str, ...]  # each in a rolled-back transaction of its own


def _trigger(
    name: str, body: str, *runs: str, on: str = "BEFORE INSERT OR UPDATE OR DELETE"
) -> Case:
    sql = f"""
        CREATE TABLE t@ (id int PRIMARY KEY, name text, state state NOT NULL DEFAULT 'open', at timestamptz);
        INSERT INTO t@ VALUES (1, 'one');
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $body$ {body} $body$;
        CREATE TRIGGER g@ {on} ON t@ FOR EACH ROW EXECUTE FUNCTION f@('argument');
    """
    return Case(name, sql, runs or (INSERT, UPDATE, DELETE))


def _function(
    name: str, body: str, *, head: str = "f@() RETURNS void", run: str = "SELECT f@()"
) -> Case:
    sql = f"""
        CREATE TABLE t@ (id int PRIMARY KEY, name text, state state NOT NULL DEFAULT 'open', at timestamptz);
        INSERT INTO t@ VALUES (1, 'one'), (2, 'two');
        CREATE FUNCTION {head} LANGUAGE plpgsql AS $body$ {body} $body$;
    """
    return Case(name, sql, (run,))


def _sql(
    name: str, body: str, *, head: str = "f@() RETURNS bigint", run: str = "SELECT f@()"
) -> Case:
    sql = f"""
        CREATE TABLE t@ (id int PRIMARY KEY, name text, state state NOT NULL DEFAULT 'open', at timestamptz);
        CREATE FUNCTION {head} LANGUAGE sql AS $body$ {body} $body$;
    """
    return Case(name, sql, (run,))


INSERT = "INSERT INTO t@ VALUES (5, 'five')"
UPDATE = "UPDATE t@ SET name = 'x'"
DELETE = "DELETE FROM t@"
BEFORE = "CREATE TYPE state AS ENUM ('open', 'closed')"

CASES = [
    # Fields of NEW and OLD
    _trigger("absent field", "BEGIN NEW.absent := 1; RETURN NEW; END"),
    _trigger(
        "absent field read", "BEGIN IF NEW.absent > 1 THEN RAISE 'x'; END IF; RETURN NEW; END"
    ),
    _trigger(
        "absent field of old, in an insert", "BEGIN PERFORM OLD.absent; RETURN NEW; END", INSERT
    ),
    _trigger("old in an insert", "BEGIN PERFORM OLD.name; RETURN coalesce(NEW, OLD); END"),
    _trigger("new in a delete", "BEGIN PERFORM NEW.name; RETURN coalesce(NEW, OLD); END"),
    _trigger("old is null", "BEGIN IF OLD IS NULL THEN RETURN NEW; END IF; RETURN OLD; END"),
    _trigger(
        "a field in another spelling",
        "BEGIN NEW.\"name\" := 'a'; NEW.NAME := 'b'; RETURN NEW; END",
        INSERT,
    ),
    _trigger("a field of the wrong case", "BEGIN NEW.\"Name\" := 'a'; RETURN NEW; END", INSERT),
    _trigger("a system column", "BEGIN PERFORM NEW.tableoid; RETURN NEW; END", INSERT),
    _trigger("into an absent field", "BEGIN SELECT 1 INTO NEW.absent; RETURN NEW; END", INSERT),
    _trigger(
        "into a field", "BEGIN SELECT 'x', now() INTO NEW.name, NEW.at; RETURN NEW; END", INSERT
    ),
    _trigger("a value that an enum lacks", "BEGIN NEW.state := 'shut'; RETURN NEW; END", INSERT),
    _trigger("a value that an enum has", "BEGIN NEW.state := 'closed'; RETURN NEW; END", INSERT),
    _trigger(
        "compared with no value of the enum",
        "BEGIN IF NEW.state = 'shut' THEN NULL; END IF; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "in a list without the value",
        "BEGIN IF NEW.state IN ('open', 'shut') THEN NULL; END IF; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "whole rows",
        "BEGIN IF NEW IS DISTINCT FROM OLD OR NEW.* IS DISTINCT FROM OLD.* THEN NULL; END IF; PERFORM to_jsonb(NEW), row_to_json(OLD.*); RETURN NEW; END",
        INSERT,
        UPDATE,
    ),
    _trigger(
        "a copy of the row",
        "BEGIN INSERT INTO t@ SELECT NEW.* ON CONFLICT DO NOTHING; RETURN NEW; END",
        INSERT,
        on="AFTER INSERT",
    ),
    _trigger(
        "a row's values",
        "BEGIN INSERT INTO t@ VALUES (NEW.*) ON CONFLICT DO NOTHING; RETURN NEW; END",
        INSERT,
        on="AFTER INSERT",
    ),
    _trigger(
        "a field of a copy", "DECLARE r t@; BEGIN r := NEW; r.name := 'x'; RETURN r; END", INSERT
    ),
    _trigger(
        "an absent field of a copy",
        "DECLARE r t@%ROWTYPE; BEGIN r := NEW; r.absent := 'x'; RETURN r; END",
        INSERT,
    ),
    # Guards
    _trigger(
        "guarded by the event",
        "BEGIN IF TG_OP = 'TRUNCATE' THEN PERFORM NEW.absent; END IF; RETURN NEW; END",
    ),
    _trigger(
        "guarded for some events",
        "BEGIN IF TG_OP = 'DELETE' THEN PERFORM OLD.absent; RETURN OLD; END IF; RETURN NEW; END",
    ),
    _trigger(
        "guarded by the table",
        "BEGIN IF TG_TABLE_NAME = 'elsewhere' THEN NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "guarded by this table",
        "BEGIN IF TG_TABLE_NAME = 't@' THEN NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "an AND guards no expression",
        "BEGIN IF TG_TABLE_NAME = 'elsewhere' AND NEW.absent = 1 THEN RETURN NULL; END IF; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "an early return",
        "BEGIN IF TG_TABLE_NAME <> 'elsewhere' THEN RETURN NEW; END IF; NEW.absent := 1; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "an elsif",
        "BEGIN IF TG_OP = 'UPDATE' THEN NULL; ELSIF TG_OP = 'INSERT' THEN NULL; ELSE PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
        UPDATE,
        on="BEFORE INSERT OR UPDATE",
    ),
    _trigger(
        "an else",
        "BEGIN IF TG_OP = 'UPDATE' THEN NULL; ELSE PERFORM NEW.absent; END IF; RETURN NEW; END",
    ),
    _trigger(
        "a case",
        "BEGIN CASE TG_TABLE_NAME WHEN 'elsewhere', 'nowhere' THEN NEW.absent := 1; WHEN 't@' THEN NEW.name := 'x'; END CASE; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "a case that meets",
        "BEGIN CASE WHEN TG_WHEN = 'AFTER' THEN NULL; ELSE NEW.absent := 1; END CASE; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "a case of SQL guards nothing",
        "BEGIN NEW.name := CASE TG_TABLE_NAME WHEN 'elsewhere' THEN NEW.absent ELSE NEW.name END; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "not and or",
        "BEGIN IF NOT (TG_OP = 'INSERT' OR TG_LEVEL = 'ROW') THEN NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
        UPDATE,
    ),
    _trigger(
        "in a list",
        "BEGIN IF TG_OP IN ('UPDATE', 'DELETE') THEN PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
        on="BEFORE INSERT",
    ),
    _trigger(
        "an argument",
        "BEGIN IF TG_ARGV[0] = 'argument' AND TG_NARGS = 1 THEN NEW.name := TG_ARGV[0]; ELSE NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "an argument that is not there",
        "BEGIN IF TG_ARGV[1] IS NULL THEN NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "a guard in a variable",
        "DECLARE o text := TG_OP; BEGIN IF o = 'DELETE' THEN PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
        UPDATE,
        on="BEFORE INSERT OR UPDATE",
    ),
    _trigger(
        "a variable that changes",
        "DECLARE o text := TG_OP; BEGIN o := 'DELETE'; IF o = 'DELETE' THEN PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "lower case",
        "BEGIN IF lower(TG_OP) = 'insert' THEN RETURN NEW; END IF; PERFORM OLD.absent; RETURN NEW; END",
        INSERT,
        on="BEFORE INSERT",
    ),
    _trigger(
        "any of an array",
        "BEGIN IF TG_OP = ANY (ARRAY['DELETE', 'TRUNCATE']) THEN PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
        on="BEFORE INSERT",
    ),
    _trigger(
        "behind a raise", "BEGIN RAISE NOTICE 'x'; RETURN NEW; PERFORM NEW.absent; END", INSERT
    ),
    _trigger(
        "a handler",
        "BEGIN BEGIN NEW.absent := 1; EXCEPTION WHEN undefined_column THEN NULL; END; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "a handler for others",
        "BEGIN BEGIN NEW.absent := 1; EXCEPTION WHEN unique_violation THEN NULL; WHEN OTHERS THEN NULL; END; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "a handler for something else",
        "BEGIN BEGIN NEW.absent := 1; EXCEPTION WHEN unique_violation THEN NULL; END; RETURN NEW; END",
        INSERT,
    ),
    _trigger(
        "a handler that passes it on",
        "BEGIN NEW.absent := 1; RETURN NEW; EXCEPTION WHEN OTHERS THEN RAISE; END",
        INSERT,
    ),
    _trigger("no return", "BEGIN NEW.name := 'x'; END", INSERT),
    _trigger(
        "each way returns",
        "BEGIN IF NEW.id > 1 THEN RETURN NEW; ELSE RETURN NULL; END IF; END",
        INSERT,
    ),
    _trigger(
        "a variable called action",
        "DECLARE action text := lower(TG_OP); BEGIN NEW.name := action; RETURN NEW; END",
        INSERT,
    ),
    # Statements
    _function("absent table", "BEGIN INSERT INTO absent VALUES (1); END"),
    _function("absent column", "BEGIN UPDATE t@ SET absent = 1; END"),
    _function("absent column in a condition", "BEGIN DELETE FROM t@ WHERE absent = 1; END"),
    _function("absent function", "BEGIN PERFORM absent(1); END"),
    _function("a function of other arguments", "BEGIN PERFORM upper(1, 2); END"),
    _function("an operator that is not there", "BEGIN PERFORM 1 FROM t@ WHERE id = 'a'::text; END"),
    _function("absent type", "DECLARE x absent; BEGIN NULL; END"),
    _function("absent cast", "BEGIN PERFORM 'x'::absent; END"),
    _function("type of an absent column", "DECLARE x t@.name%TYPE; BEGIN x := 'a'; END"),
    _function("a missing value of an enum", "BEGIN UPDATE t@ SET state = 'shut'; END"),
    _function(
        "a row has it",
        "DECLARE r t@%ROWTYPE; BEGIN SELECT * INTO r FROM t@ LIMIT 1; r.name := upper(r.name); END",
    ),
    _function(
        "a row does not have it",
        "DECLARE r t@%ROWTYPE; BEGIN SELECT * INTO r FROM t@ LIMIT 1; PERFORM upper(r.absent); END",
    ),
    _function(
        "a record has it",
        "DECLARE r record; BEGIN SELECT id, name AS label INTO r FROM t@ LIMIT 1; PERFORM upper(r.label); END",
    ),
    _function(
        "a record does not have it",
        "DECLARE r record; BEGIN SELECT id, name AS label INTO r FROM t@ LIMIT 1; PERFORM upper(r.name); END",
    ),
    _function(
        "a loop's record",
        "DECLARE r record; BEGIN FOR r IN SELECT id, name FROM t@ LOOP PERFORM r.absent; END LOOP; END",
    ),
    _function(
        "a loop's record in a statement",
        "DECLARE r record; BEGIN FOR r IN SELECT id, name FROM t@ LOOP UPDATE t@ SET name = r.name || '!' WHERE id = r.id; END LOOP; END",
    ),
    _function(
        "two queries fill a record",
        "DECLARE r record; BEGIN SELECT id INTO r FROM t@ LIMIT 1; PERFORM r.id; SELECT name INTO r FROM t@ LIMIT 1; PERFORM r.name; END",
    ),
    _function(
        "a cursor",
        "DECLARE c CURSOR (k int) FOR SELECT id, name FROM t@ WHERE id = k; BEGIN FOR r IN c(1) LOOP PERFORM upper(r.name); END LOOP; END",
    ),
    _function(
        "a cursor over an absent column",
        "DECLARE c CURSOR FOR SELECT absent FROM t@; BEGIN OPEN c; CLOSE c; END",
    ),
    _function(
        "a temporary table",
        "BEGIN CREATE TEMP TABLE w@ (id int) ON COMMIT DROP; INSERT INTO w@ SELECT id FROM t@; PERFORM count(*) FROM w@; END",
    ),
    _function(
        "a temporary table of a query",
        "BEGIN CREATE TEMPORARY TABLE w@ ON COMMIT DROP AS SELECT id FROM t@; PERFORM count(*) FROM w@; END",
    ),
    _function(
        "a CTE",
        "BEGIN WITH one AS (SELECT id FROM t@), two AS (DELETE FROM t@ USING one WHERE t@.id = one.id RETURNING t@.id) INSERT INTO t@ (id) SELECT id + 10 FROM two; END",
    ),
    _function(
        "a variable like a column",
        "DECLARE name text := 'x'; BEGIN UPDATE t@ SET name = 'y' WHERE t@.name = 'z'; END",
    ),
    _function(
        "a variable for a column",
        "DECLARE name text := 'x'; BEGIN PERFORM 1 FROM t@ WHERE name = 'z'; END",
    ),
    _function(
        "use_column",
        "#variable_conflict use_column\nDECLARE name int := 1; BEGIN PERFORM 1 FROM t@ WHERE name = 'z'; END",
    ),
    _function(
        "use_variable",
        "#variable_conflict use_variable\nDECLARE name int := 1; BEGIN PERFORM 1 FROM t@ WHERE id = name; END",
    ),
    _function(
        "a result column for a column",
        "BEGIN RETURN QUERY SELECT id, t@.name FROM t@; END",
        head="f@() RETURNS TABLE (id int, name text)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "result columns in order by",
        "BEGIN RETURN QUERY SELECT t@.id AS id, t@.name AS name FROM t@ ORDER BY id, name; END",
        head="f@() RETURNS TABLE (id int, name text)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "result column in on conflict",
        "BEGIN INSERT INTO t@ (id) VALUES (1) ON CONFLICT (id) DO NOTHING; RETURN QUERY SELECT 1; END",
        head="f@() RETURNS TABLE (id int)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "a result of another type",
        "BEGIN RETURN QUERY SELECT t.name::varchar(10) FROM t@ t; END",
        head="f@() RETURNS TABLE (label text)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "a result of fewer columns",
        "BEGIN RETURN QUERY SELECT t.id FROM t@ t; END",
        head="f@() RETURNS TABLE (a int, b text)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "rows of a table",
        "BEGIN RETURN QUERY SELECT * FROM t@; END",
        head="f@() RETURNS SETOF t@",
        run="SELECT * FROM f@()",
    ),
    _function(
        "a set of values",
        "BEGIN RETURN QUERY SELECT count(*) FROM t@; END",
        head="f@() RETURNS SETOF int",
        run="SELECT * FROM f@()",
    ),
    _function(
        "a literal in a result",
        "BEGIN RETURN QUERY SELECT 'a', 1; END",
        head="f@() RETURNS TABLE (a text, b int)",
        run="SELECT * FROM f@()",
    ),
    _function("rows that go nowhere", "BEGIN SELECT 1; END"),
    _function("returning that goes nowhere", "BEGIN DELETE FROM t@ RETURNING id; END"),
    _function(
        "returning into",
        "DECLARE n int; BEGIN DELETE FROM t@ WHERE id = 1 RETURNING id INTO n; END",
    ),
    _function("vacuum", "BEGIN VACUUM t@; END"),
    _function("vacuum in execute", "BEGIN EXECUTE 'VACUUM t@'; END"),
    _function("analyze", "BEGIN ANALYZE t@; END"),
    _function("analyze of nothing", "BEGIN ANALYZE absent; END"),
    _function("truncate of nothing", "BEGIN TRUNCATE absent; END"),
    _function("execute of a literal", "BEGIN EXECUTE 'UPDATE t@ SET absent = $1' USING 1; END"),
    _function(
        "execute of a good literal", "BEGIN EXECUTE 'UPDATE t@ SET name = $1' USING 'x'; END"
    ),
    _function(
        "execute of what is put together",
        "BEGIN EXECUTE format('SELECT count(*) FROM %I', 't@'); END",
    ),
    _function(
        "arguments",
        "BEGIN UPDATE t@ SET name = p_name WHERE id = $1 AND f@.p_id = 1; END",
        head="f@(p_id int, p_name text DEFAULT NULL) RETURNS void",
        run="SELECT f@(1)",
    ),
    _function(
        "an argument that is a row",
        "BEGIN PERFORM upper(p.name), p.id + 1; END",
        head="f@(p t@) RETURNS void",
        run="SELECT f@(t) FROM t@ t",
    ),
    _function(
        "an absent field of an argument",
        "BEGIN PERFORM upper(p.absent); END",
        head="f@(p t@) RETURNS void",
        run="SELECT f@(t) FROM t@ t",
    ),
    _function(
        "any element",
        "BEGIN RETURN p::text || 'x'; END",
        head="f@(p anyelement) RETURNS text",
        run="SELECT f@(1)",
    ),
    _function(
        "out arguments",
        "BEGIN SELECT count(*), max(name) INTO n, m FROM t@; END",
        head="f@(OUT n bigint, OUT m text)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "labels",
        "<<main>> DECLARE n int := 1; BEGIN DECLARE n int := 2; BEGIN main.n := n; PERFORM main.n + n; END; END",
    ),
    _function(
        "an inner variable of another type",
        "DECLARE n int := 1; BEGIN DECLARE n text := 'x'; BEGIN PERFORM upper(n); END; PERFORM n + 1; END",
    ),
    _function(
        "an array",
        "DECLARE a int[] := '{1,2}'; x int; BEGIN a[1] := a[2] + 1; FOREACH x IN ARRAY a LOOP PERFORM x + 1; END LOOP; END",
    ),
    _function(
        "loops",
        "DECLARE n int := 0; BEGIN FOR i IN REVERSE 3..1 LOOP n := n + i; CONTINUE WHEN i = 2; END LOOP; WHILE n > 0 LOOP n := n - 10; END LOOP; LOOP EXIT; END LOOP; END",
    ),
    _function(
        "behind an endless loop",
        "DECLARE n int := 0; BEGIN LOOP n := n + 1; IF n > 2 THEN RETURN; END IF; END LOOP; PERFORM absent(); END",
    ),
    _function("no return at all", "BEGIN PERFORM 1; END", head="f@() RETURNS int"),
    _function(
        "diagnostics",
        "DECLARE n bigint; m text; BEGIN UPDATE t@ SET name = name; GET DIAGNOSTICS n = ROW_COUNT; PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN GET STACKED DIAGNOSTICS m = MESSAGE_TEXT; RAISE NOTICE '% % %', n, m, SQLERRM || SQLSTATE; END",
    ),
    _function("found", "BEGIN PERFORM 1 FROM t@; IF NOT FOUND THEN RAISE 'none'; END IF; END"),
    _function(
        "an alias",
        "DECLARE a ALIAS FOR $1; BEGIN PERFORM a + 1; END",
        head="f@(int) RETURNS void",
        run="SELECT f@(1)",
    ),
    _function(
        "a handler around an absent table",
        "BEGIN PERFORM 1 FROM absent; EXCEPTION WHEN undefined_table THEN RAISE NOTICE 'none'; END",
    ),
    _function("raise of an absent column", "BEGIN RAISE NOTICE '%', (SELECT absent FROM t@); END"),
    _function(
        "a constant of the enum",
        "DECLARE s CONSTANT state := 'open'; u state; BEGIN SELECT state INTO u FROM t@ LIMIT 1; PERFORM s = u; END",
    ),
    _function(
        "a list of an enum and a text",
        "DECLARE s state; n text; BEGIN SELECT state, name INTO s, n FROM t@ LIMIT 1; IF s < 'closed' THEN NULL; END IF; END",
    ),
    _function("default of a missing value", "DECLARE s state := 'shut'; BEGIN NULL; END"),
    _function(
        "its own path",
        "BEGIN PERFORM count(*) FROM public.t@; END",
        head="f@() RETURNS void SET search_path = pg_catalog",
    ),
    _function(
        "its own path without the table",
        "BEGIN PERFORM count(*) FROM t@; END",
        head="f@() RETURNS void SET search_path = pg_catalog",
    ),
    _function(
        "an empty path",
        "BEGIN PERFORM count(*) FROM t@; END",
        head="f@() RETURNS void SET search_path = ''",
    ),
    _function(
        "umlauts before a name",
        "DECLARE n text := 'ä'; BEGIN PERFORM 'üöä', upper(n), n FROM t@; END",
    ),
    _function(
        "on a condition that holds",
        "BEGIN IF now() > '2000-01-01' THEN PERFORM absent(); END IF; END",
    ),
    _function(
        "order by of a union",
        "BEGIN RETURN QUERY SELECT t.id, t.name FROM t@ t UNION SELECT 1, 'x' ORDER BY name, id; END",
        head="f@() RETURNS TABLE (id int, name text)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "a field of a record in brackets",
        "DECLARE r record; BEGIN SELECT id, name INTO r FROM t@ LIMIT 1; PERFORM (r).name; END",
    ),
    _function(
        "into strict", "DECLARE n text; BEGIN SELECT INTO STRICT n name FROM t@ WHERE id = 1; END"
    ),
    _function(
        "a loop over what is put together",
        "DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT id, name FROM ' || 't@' LOOP PERFORM upper(r.name), r.id + 1; END LOOP; END",
    ),
    _function(
        "a refcursor",
        "DECLARE c refcursor; r record; BEGIN OPEN c FOR SELECT id, name FROM t@; LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; PERFORM upper(r.name); END LOOP; CLOSE c; END",
    ),
    _function(
        "a field that a list of two records has",
        "DECLARE r record; BEGIN FOR r IN SELECT t.*, 1 AS extra FROM t@ t LOOP PERFORM r.extra + r.id, r.state = 'open'; END LOOP; END",
    ),
    _function(
        "array work",
        "DECLARE e text[] := ARRAY[]::text[]; BEGIN e := array_append(e, 'x'); e := e || ARRAY['y']; IF array_length(e, 1) > 1 THEN NULL; END IF; END",
    ),
    _function(
        "json work",
        "DECLARE j jsonb := '{}'; r record; BEGIN j := j || jsonb_build_object('a', 1); SELECT * INTO r FROM t@ LIMIT 1; j := to_jsonb(r) - 'id'; PERFORM j ->> 'name', row_to_json(r); END",
    ),
    _function(
        "upsert",
        "DECLARE n text := 'x'; BEGIN INSERT INTO t@ AS old (id, name) VALUES (1, n) ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name || old.name; END",
    ),
    _function(
        "limit and order by variables",
        "DECLARE l int := 1; s text := 'id'; BEGIN PERFORM id FROM t@ ORDER BY CASE WHEN s = 'id' THEN id END, s LIMIT l OFFSET l; END",
    ),
    _function(
        "group by an alias",
        "BEGIN RETURN QUERY SELECT t.state AS kind, count(*) AS n FROM t@ t GROUP BY kind ORDER BY n; END",
        head="f@() RETURNS TABLE (kind state, n bigint)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "a count for an integer",
        "BEGIN RETURN QUERY SELECT t.state, count(*) FROM t@ t GROUP BY t.state; END",
        head="f@() RETURNS TABLE (kind state, n int)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "return next",
        "DECLARE r t@; BEGIN FOR r IN SELECT * FROM t@ LOOP RETURN NEXT r; END LOOP; RETURN; END",
        head="f@() RETURNS SETOF t@",
        run="SELECT * FROM f@()",
    ),
    _function(
        "out rows one by one",
        "BEGIN FOR id, label IN SELECT t.id, t.name FROM t@ t LOOP RETURN NEXT; END LOOP; END",
        head="f@() RETURNS TABLE (id int, label text)",
        run="SELECT * FROM f@()",
    ),
    _function(
        "types of many words",
        "DECLARE a timestamp with time zone := now(); b double precision := 1; c character varying(10) := 'x'; d decimal(12,2) DEFAULT 0; e interval NOT NULL := '1 day'; BEGIN PERFORM a - e, b + d, c || 'x', date_trunc('day', a)::date; END",
    ),
    _function(
        "a recursive query",
        "DECLARE n int := 3; BEGIN PERFORM 1 FROM (WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT r.i + 1 FROM r WHERE r.i < n) SELECT i FROM r) AS x; END",
    ),
    _function(
        "several fill a record and one lacks it",
        "DECLARE r record; BEGIN IF now() > '2000-01-01' THEN SELECT id, name INTO r FROM t@ LIMIT 1; ELSE SELECT id INTO r FROM t@ LIMIT 1; END IF; PERFORM r.name; END",
    ),
    _function(
        "set_config, notify, lock",
        "BEGIN PERFORM set_config('a.b', 'c', true), pg_notify('x', 'y'), current_setting('a.b', true); LOCK TABLE t@ IN SHARE MODE; NOTIFY x; SET LOCAL work_mem = '4MB'; END",
    ),
    _function(
        "returning into a record",
        "DECLARE r record; BEGIN UPDATE t@ SET name = 'x' WHERE id = 1 RETURNING * INTO r; PERFORM upper(r.name); END",
    ),
    _function(
        "raise of a name",
        "BEGIN IF false THEN RAISE unique_violation USING MESSAGE = 'x', DETAIL = format('%s', 1); END IF; RAISE WARNING 'a %', 1; END",
    ),
    _function(
        "a composite variable made of values",
        "DECLARE r t@; BEGIN r := ROW(7, 'x', 'open', now())::t@; INSERT INTO t@ SELECT (r).*; r.name = 'y'; END",
    ),
    _function("named arguments", "DECLARE n int := 1; BEGIN PERFORM make_interval(days => n); END"),
    _function(
        "a wrong named argument", "DECLARE n int := 1; BEGIN PERFORM make_interval(dayz => n); END"
    ),
    _function(
        "a subtransaction with retry",
        "DECLARE n int := 0; BEGIN LOOP BEGIN n := n + 1; INSERT INTO t@ (id) VALUES (n); EXIT; EXCEPTION WHEN unique_violation THEN CONTINUE; END; END LOOP; END",
    ),
    _function(
        "a label and its loop",
        "BEGIN <<outer_loop>> FOR i IN 1..3 LOOP FOR j IN 1..3 LOOP EXIT outer_loop WHEN i * j > 2; END LOOP; END LOOP; END",
    ),
    _function(
        "variadic",
        "BEGIN RETURN cardinality(items); END",
        head="f@(VARIADIC items text[]) RETURNS int",
        run="SELECT f@('a', 'b')",
    ),
    _function(
        "into an array element",
        "DECLARE a int[] := '{}'; BEGIN SELECT id INTO a[1] FROM t@ WHERE id = 1; END",
    ),
    _function(
        "an absent field of an alias",
        "DECLARE a ALIAS FOR $1; BEGIN PERFORM a.absent; END",
        head="f@(t@) RETURNS void",
        run="SELECT f@(t) FROM t@ t",
    ),
    Case(
        "a trigger of a view",
        """
        CREATE TABLE t@ (id int, name text);
        CREATE VIEW v@ AS SELECT id FROM t@;
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO t@ VALUES (NEW.id, NEW.name); RETURN NEW; END $$;
        CREATE TRIGGER g@ INSTEAD OF INSERT ON v@ FOR EACH ROW EXECUTE FUNCTION f@();
        """,
        ("INSERT INTO v@ VALUES (1)",),
    ),
    Case(
        "a sound trigger of a view",
        """
        CREATE TABLE t@ (id int, name text);
        CREATE VIEW v@ AS SELECT id FROM t@;
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO t@ VALUES (NEW.id); RETURN NEW; END $$;
        CREATE TRIGGER g@ INSTEAD OF INSERT ON v@ FOR EACH ROW EXECUTE FUNCTION f@();
        """,
        ("INSERT INTO v@ VALUES (1)",),
    ),
    Case(
        "a default that fails",
        """
        CREATE FUNCTION f@() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT max(absent) FROM pg_class); END $$;
        CREATE TABLE t@ (id int DEFAULT f@());
        """,
        ("INSERT INTO t@ DEFAULT VALUES",),
    ),
    # SQL
    _sql("sql", "SELECT count(*) FROM t@"),
    _sql("sql of an absent table", "SELECT count(*) FROM absent"),
    _sql("sql of an absent column", "SELECT sum(absent) FROM t@"),
    _sql(
        "sql whose argument is called as a column",
        "SELECT count(*) FROM t@ WHERE id = 3 AND name = $2",
        head="f@(id text, name text) RETURNS bigint",
        run="SELECT f@('a', 'b')",
    ),
    _sql(
        "sql with a named argument",
        "SELECT count(*) FROM t@ WHERE id = f@.p",
        head="f@(p int) RETURNS bigint",
        run="SELECT f@(1)",
    ),
    _sql("sql of several statements", "DELETE FROM t@; SELECT count(*) FROM t@ WHERE absent"),
]
OWN = [
    Case(
        "a column that was dropped later",
        """
        CREATE TABLE t@ (id int, name text);
        CREATE FUNCTION f@() RETURNS bigint LANGUAGE sql AS 'SELECT count(name) FROM t@';
        ALTER TABLE t@ DROP COLUMN name;
        """,
        ("SELECT f@()",),
    ),
    Case(
        "one function for two tables, guarded",
        """
        CREATE TABLE t@ (id int, name text);
        CREATE TABLE u@ (id int, title text);
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_TABLE_NAME = 't@' THEN NEW.name := trim(NEW.name); ELSE NEW.title := trim(NEW.title); END IF;
            RETURN NEW; END $$;
        CREATE TRIGGER g@ BEFORE INSERT ON t@ FOR EACH ROW EXECUTE FUNCTION f@();
        CREATE TRIGGER g@ BEFORE INSERT ON u@ FOR EACH ROW EXECUTE FUNCTION f@();
        """,
        ("INSERT INTO t@ VALUES (1)", "INSERT INTO u@ VALUES (1)"),
    ),
    Case(
        "one function for two tables, not guarded",
        """
        CREATE TABLE t@ (id int, name text);
        CREATE TABLE u@ (id int, title text);
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            NEW.name := trim(NEW.name); RETURN NEW; END $$;
        CREATE TRIGGER g@ BEFORE INSERT ON t@ FOR EACH ROW EXECUTE FUNCTION f@();
        CREATE TRIGGER g@ BEFORE INSERT ON u@ FOR EACH ROW EXECUTE FUNCTION f@();
        """,
        ("INSERT INTO t@ VALUES (1)", "INSERT INTO u@ VALUES (1)"),
    ),
    Case(
        "transition tables",
        """
        CREATE TABLE t@ (id int, name text);
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM count(fresh.name) FROM fresh; PERFORM 1 FROM fresh AS n WHERE n.id > 1; RETURN NULL; END $$;
        CREATE TRIGGER g@ AFTER INSERT ON t@ REFERENCING NEW TABLE AS fresh
            FOR EACH STATEMENT EXECUTE FUNCTION f@();
        """,
        ("INSERT INTO t@ VALUES (1)",),
    ),
    Case(
        "a column that a transition table lacks",
        """
        CREATE TABLE t@ (id int, name text);
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM count(absent) FROM fresh; RETURN NULL; END $$;
        CREATE TRIGGER g@ AFTER INSERT ON t@ REFERENCING NEW TABLE AS fresh
            FOR EACH STATEMENT EXECUTE FUNCTION f@();
        """,
        ("INSERT INTO t@ VALUES (1)",),
    ),
    Case(
        "a partitioned table",
        """
        CREATE TABLE t@ (id int, name text) PARTITION BY LIST (id);
        CREATE TABLE t@_1 PARTITION OF t@ FOR VALUES IN (1);
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_TABLE_NAME = 't@' THEN PERFORM NEW.absent; END IF; RETURN NEW; END $$;
        CREATE TRIGGER g@ AFTER INSERT ON t@ FOR EACH ROW EXECUTE FUNCTION f@();
        """,
        ("INSERT INTO t@ VALUES (1)",),
    ),
    Case(
        "a partition's fields",
        """
        CREATE TABLE t@ (id int, name text) PARTITION BY LIST (id);
        CREATE TABLE t@_1 PARTITION OF t@ FOR VALUES IN (1);
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM NEW.absent; RETURN NEW; END $$;
        CREATE TRIGGER g@ AFTER INSERT ON t@ FOR EACH ROW EXECUTE FUNCTION f@();
        """,
        ("INSERT INTO t@ VALUES (1)",),
    ),
    Case(
        "a disabled trigger",
        """
        CREATE TABLE t@ (id int);
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM NEW.absent; RETURN NEW; END $$;
        CREATE TRIGGER g@ AFTER INSERT ON t@ FOR EACH ROW EXECUTE FUNCTION f@();
        ALTER TABLE t@ DISABLE TRIGGER g@;
        """,
        ("INSERT INTO t@ VALUES (1)",),
    ),
    Case(
        "a function behind a trigger's",
        """
        CREATE TABLE t@ (id int);
        CREATE FUNCTION h@(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO absent VALUES ($1); END $$;
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM h@(NEW.id); RETURN NEW; END $$;
        CREATE TRIGGER g@ AFTER INSERT ON t@ FOR EACH ROW EXECUTE FUNCTION f@();
        """,
        ("INSERT INTO t@ VALUES (1)",),
    ),
    Case(
        "a view over a function",
        """
        CREATE TABLE t@ (id int, name text);
        CREATE FUNCTION f@(int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT name FROM t@ WHERE id = $1); END $$;
        CREATE VIEW v@ AS SELECT f@(1) AS name;
        ALTER TABLE t@ DROP COLUMN name;
        """,
        ("SELECT * FROM v@",),
    ),
    Case(
        "a check that calls a function",
        """
        CREATE TABLE t@ (id int);
        CREATE FUNCTION f@(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN absent($1); END $$;
        ALTER TABLE t@ ADD CHECK (f@(id));
        """,
        ("INSERT INTO t@ VALUES (1)",),
    ),
    Case(
        "a view of an unfilled one",
        """
        CREATE MATERIALIZED VIEW m@ AS SELECT 1 AS id WITH NO DATA;
        CREATE VIEW v@ AS SELECT * FROM m@;
        """,
        ("SELECT * FROM v@",),
    ),
    Case(
        "a procedure",
        """
        CREATE TABLE t@ (id int);
        CREATE PROCEDURE p@(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t@ VALUES (n); END $$;
        CREATE FUNCTION f@() RETURNS void LANGUAGE plpgsql AS $$ DECLARE x int := 1; BEGIN CALL p@(x); END $$;
        """,
        ("SELECT f@()",),
    ),
    Case(
        "a procedure that is not there",
        "CREATE FUNCTION f@() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL absent_procedure(1); END $$",
        ("SELECT f@()",),
    ),
    Case(
        "begin atomic",
        """
        CREATE TABLE t@ (id int);
        CREATE FUNCTION f@() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM t@; END;
        """,
        ("SELECT f@()",),
    ),
    Case(
        "several columns at once",
        """
        CREATE TABLE t@ (id int, name text, n int);
        CREATE FUNCTION f@(int, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE t@ SET (name, n) = ($2, $1) WHERE id = $1; END $$;
        """,
        ("SELECT f@(1, 'x')",),
    ),
    Case(
        "results named as the columns of a CTE",
        """
        CREATE TABLE t@ (id int, part text);
        CREATE FUNCTION f@(lowest int DEFAULT 0, OUT part text, OUT n bigint) RETURNS SETOF record LANGUAGE sql AS $$
            WITH a AS (SELECT id, part FROM t@ WHERE id > lowest), b AS (SELECT part, count(*) AS n FROM a GROUP BY part)
            SELECT part, n FROM a JOIN b USING (part) $$;
        """,
        ("SELECT f@()",),
    ),
    _function(
        "a sequence that another body makes",
        "BEGIN EXECUTE 'CREATE TEMP SEQUENCE made@'; PERFORM nextval('made@'); END",
    ),
    _function(
        "what is asked for first",
        "BEGIN IF EXISTS (SELECT 1 FROM pg_class WHERE relname = 'absent') THEN PERFORM 1 FROM absent; END IF; END",
    ),
    _function(
        "what is asked for first, by FOUND",
        "BEGIN PERFORM 1 FROM pg_namespace WHERE nspname = 'absent'; IF FOUND THEN PERFORM absent.f(1); END IF; END",
    ),
    _function(
        "something else is asked for first",
        "BEGIN IF EXISTS (SELECT 1 FROM pg_class WHERE relname = 't@') THEN PERFORM 1 FROM absent; END IF; END",
    ),
    Case(
        "a path made in the body",
        """
        CREATE SCHEMA s@;
        CREATE FUNCTION s@.add_job(text) RETURNS void LANGUAGE sql AS '';
        CREATE FUNCTION f@() RETURNS void LANGUAGE plpgsql AS $$ DECLARE s text := (SELECT 's@');
            BEGIN PERFORM set_config('search_path', s, true); PERFORM add_job('x'); END $$;
        """,
        ("SELECT f@()",),
    ),
]
