# ruff: noqa: E501 - bodies in one line each, as a table
"""Arguments, variables, loops, handlers and paths of functions, and functions in SQL."""

from tests.liveness_cases.case import Case, function, sql

VARIABLES = [
    function(
        "arguments",
        "BEGIN UPDATE t@ SET name = p_name WHERE id = $1 AND f@.p_id = 1; END",
        head="f@(p_id int, p_name text DEFAULT NULL) RETURNS void",
        run="SELECT f@(1)",
    ),
    function(
        "an argument that is a row",
        "BEGIN PERFORM upper(p.name), p.id + 1; END",
        head="f@(p t@) RETURNS void",
        run="SELECT f@(t) FROM t@ t",
    ),
    function(
        "an absent field of an argument",
        "BEGIN PERFORM upper(p.absent); END",
        head="f@(p t@) RETURNS void",
        run="SELECT f@(t) FROM t@ t",
    ),
    function(
        "any element",
        "BEGIN RETURN p::text || 'x'; END",
        head="f@(p anyelement) RETURNS text",
        run="SELECT f@(1)",
    ),
    function(
        "out arguments",
        "BEGIN SELECT count(*), max(name) INTO n, m FROM t@; END",
        head="f@(OUT n bigint, OUT m text)",
        run="SELECT * FROM f@()",
    ),
    function(
        "labels",
        "<<main>> DECLARE n int := 1; BEGIN DECLARE n int := 2; BEGIN main.n := n; PERFORM main.n + n; END; END",
    ),
    function(
        "an inner variable of another type",
        "DECLARE n int := 1; BEGIN DECLARE n text := 'x'; BEGIN PERFORM upper(n); END; PERFORM n + 1; END",
    ),
    function(
        "an array",
        "DECLARE a int[] := '{1,2}'; x int; BEGIN a[1] := a[2] + 1; FOREACH x IN ARRAY a LOOP PERFORM x + 1; END LOOP; END",
    ),
    function(
        "loops",
        "DECLARE n int := 0; BEGIN FOR i IN REVERSE 3..1 LOOP n := n + i; CONTINUE WHEN i = 2; END LOOP; WHILE n > 0 LOOP n := n - 10; END LOOP; LOOP EXIT; END LOOP; END",
    ),
    function(
        "behind an endless loop",
        "DECLARE n int := 0; BEGIN LOOP n := n + 1; IF n > 2 THEN RETURN; END IF; END LOOP; PERFORM absent(); END",
    ),
    function("no return at all", "BEGIN PERFORM 1; END", head="f@() RETURNS int"),
    function(
        "diagnostics",
        "DECLARE n bigint; m text; BEGIN UPDATE t@ SET name = name; GET DIAGNOSTICS n = ROW_COUNT; PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN GET STACKED DIAGNOSTICS m = MESSAGE_TEXT; RAISE NOTICE '% % %', n, m, SQLERRM || SQLSTATE; END",
    ),
    function("found", "BEGIN PERFORM 1 FROM t@; IF NOT FOUND THEN RAISE 'none'; END IF; END"),
    function(
        "an alias",
        "DECLARE a ALIAS FOR $1; BEGIN PERFORM a + 1; END",
        head="f@(int) RETURNS void",
        run="SELECT f@(1)",
    ),
    function(
        "a handler around an absent table",
        "BEGIN PERFORM 1 FROM absent; EXCEPTION WHEN undefined_table THEN RAISE NOTICE 'none'; END",
    ),
    function("raise of an absent column", "BEGIN RAISE NOTICE '%', (SELECT absent FROM t@); END"),
    function(
        "a constant of the enum",
        "DECLARE s CONSTANT state := 'open'; u state; BEGIN SELECT state INTO u FROM t@ LIMIT 1; PERFORM s = u; END",
    ),
    function(
        "a list of an enum and a text",
        "DECLARE s state; n text; BEGIN SELECT state, name INTO s, n FROM t@ LIMIT 1; IF s < 'closed' THEN NULL; END IF; END",
    ),
    function("default of a missing value", "DECLARE s state := 'shut'; BEGIN NULL; END"),
    function(
        "its own path",
        "BEGIN PERFORM count(*) FROM public.t@; END",
        head="f@() RETURNS void SET search_path = pg_catalog",
    ),
    function(
        "its own path without the table",
        "BEGIN PERFORM count(*) FROM t@; END",
        head="f@() RETURNS void SET search_path = pg_catalog",
    ),
    function(
        "an empty path",
        "BEGIN PERFORM count(*) FROM t@; END",
        head="f@() RETURNS void SET search_path = ''",
    ),
    function(
        "umlauts before a name",
        "DECLARE n text := 'ä'; BEGIN PERFORM 'üöä', upper(n), n FROM t@; END",
    ),
    function(
        "on a condition that holds",
        "BEGIN IF now() > '2000-01-01' THEN PERFORM absent(); END IF; END",
    ),
    function(
        "order by of a union",
        "BEGIN RETURN QUERY SELECT t.id, t.name FROM t@ t UNION SELECT 1, 'x' ORDER BY name, id; END",
        head="f@() RETURNS TABLE (id int, name text)",
        run="SELECT * FROM f@()",
    ),
    function(
        "a field of a record in brackets",
        "DECLARE r record; BEGIN SELECT id, name INTO r FROM t@ LIMIT 1; PERFORM (r).name; END",
    ),
    function(
        "into strict", "DECLARE n text; BEGIN SELECT INTO STRICT n name FROM t@ WHERE id = 1; END"
    ),
    function(
        "a loop over what is put together",
        "DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT id, name FROM ' || 't@' LOOP PERFORM upper(r.name), r.id + 1; END LOOP; END",
    ),
    function(
        "a refcursor",
        "DECLARE c refcursor; r record; BEGIN OPEN c FOR SELECT id, name FROM t@; LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; PERFORM upper(r.name); END LOOP; CLOSE c; END",
    ),
    function(
        "a field that a list of two records has",
        "DECLARE r record; BEGIN FOR r IN SELECT t.*, 1 AS extra FROM t@ t LOOP PERFORM r.extra + r.id, r.state = 'open'; END LOOP; END",
    ),
    function(
        "array work",
        "DECLARE e text[] := ARRAY[]::text[]; BEGIN e := array_append(e, 'x'); e := e || ARRAY['y']; IF array_length(e, 1) > 1 THEN NULL; END IF; END",
    ),
    function(
        "json work",
        "DECLARE j jsonb := '{}'; r record; BEGIN j := j || jsonb_build_object('a', 1); SELECT * INTO r FROM t@ LIMIT 1; j := to_jsonb(r) - 'id'; PERFORM j ->> 'name', row_to_json(r); END",
    ),
    function(
        "upsert",
        "DECLARE n text := 'x'; BEGIN INSERT INTO t@ AS old (id, name) VALUES (1, n) ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name || old.name; END",
    ),
    function(
        "limit and order by variables",
        "DECLARE l int := 1; s text := 'id'; BEGIN PERFORM id FROM t@ ORDER BY CASE WHEN s = 'id' THEN id END, s LIMIT l OFFSET l; END",
    ),
    function(
        "group by an alias",
        "BEGIN RETURN QUERY SELECT t.state AS kind, count(*) AS n FROM t@ t GROUP BY kind ORDER BY n; END",
        head="f@() RETURNS TABLE (kind state, n bigint)",
        run="SELECT * FROM f@()",
    ),
    function(
        "a count for an integer",
        "BEGIN RETURN QUERY SELECT t.state, count(*) FROM t@ t GROUP BY t.state; END",
        head="f@() RETURNS TABLE (kind state, n int)",
        run="SELECT * FROM f@()",
    ),
    function(
        "return next",
        "DECLARE r t@; BEGIN FOR r IN SELECT * FROM t@ LOOP RETURN NEXT r; END LOOP; RETURN; END",
        head="f@() RETURNS SETOF t@",
        run="SELECT * FROM f@()",
    ),
    function(
        "out rows one by one",
        "BEGIN FOR id, label IN SELECT t.id, t.name FROM t@ t LOOP RETURN NEXT; END LOOP; END",
        head="f@() RETURNS TABLE (id int, label text)",
        run="SELECT * FROM f@()",
    ),
    function(
        "types of many words",
        "DECLARE a timestamp with time zone := now(); b double precision := 1; c character varying(10) := 'x'; d decimal(12,2) DEFAULT 0; e interval NOT NULL := '1 day'; BEGIN PERFORM a - e, b + d, c || 'x', date_trunc('day', a)::date; END",
    ),
    function(
        "a recursive query",
        "DECLARE n int := 3; BEGIN PERFORM 1 FROM (WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT r.i + 1 FROM r WHERE r.i < n) SELECT i FROM r) AS x; END",
    ),
    function(
        "several fill a record and one lacks it",
        "DECLARE r record; BEGIN IF now() > '2000-01-01' THEN SELECT id, name INTO r FROM t@ LIMIT 1; ELSE SELECT id INTO r FROM t@ LIMIT 1; END IF; PERFORM r.name; END",
    ),
    function(
        "set_config, notify, lock",
        "BEGIN PERFORM set_config('a.b', 'c', true), pg_notify('x', 'y'), current_setting('a.b', true); LOCK TABLE t@ IN SHARE MODE; NOTIFY x; SET LOCAL work_mem = '4MB'; END",
    ),
    function(
        "returning into a record",
        "DECLARE r record; BEGIN UPDATE t@ SET name = 'x' WHERE id = 1 RETURNING * INTO r; PERFORM upper(r.name); END",
    ),
    function(
        "raise of a name",
        "BEGIN IF false THEN RAISE unique_violation USING MESSAGE = 'x', DETAIL = format('%s', 1); END IF; RAISE WARNING 'a %', 1; END",
    ),
    function(
        "a composite variable made of values",
        "DECLARE r t@; BEGIN r := ROW(7, 'x', 'open', now())::t@; INSERT INTO t@ SELECT (r).*; r.name = 'y'; END",
    ),
    function("named arguments", "DECLARE n int := 1; BEGIN PERFORM make_interval(days => n); END"),
    function(
        "a wrong named argument", "DECLARE n int := 1; BEGIN PERFORM make_interval(dayz => n); END"
    ),
    function(
        "a subtransaction with retry",
        "DECLARE n int := 0; BEGIN LOOP BEGIN n := n + 1; INSERT INTO t@ (id) VALUES (n); EXIT; EXCEPTION WHEN unique_violation THEN CONTINUE; END; END LOOP; END",
    ),
    function(
        "a label and its loop",
        "BEGIN <<outer_loop>> FOR i IN 1..3 LOOP FOR j IN 1..3 LOOP EXIT outer_loop WHEN i * j > 2; END LOOP; END LOOP; END",
    ),
    function(
        "variadic",
        "BEGIN RETURN cardinality(items); END",
        head="f@(VARIADIC items text[]) RETURNS int",
        run="SELECT f@('a', 'b')",
    ),
    function(
        "into an array element",
        "DECLARE a int[] := '{}'; BEGIN SELECT id INTO a[1] FROM t@ WHERE id = 1; END",
    ),
    function(
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
    sql("sql", "SELECT count(*) FROM t@"),
    sql("sql of an absent table", "SELECT count(*) FROM absent"),
    sql("sql of an absent column", "SELECT sum(absent) FROM t@"),
    sql(
        "sql whose argument is called as a column",
        "SELECT count(*) FROM t@ WHERE id = 3 AND name = $2",
        head="f@(id text, name text) RETURNS bigint",
        run="SELECT f@('a', 'b')",
    ),
    sql(
        "sql with a named argument",
        "SELECT count(*) FROM t@ WHERE id = f@.p",
        head="f@(p int) RETURNS bigint",
        run="SELECT f@(1)",
    ),
    sql("sql of several statements", "DELETE FROM t@; SELECT count(*) FROM t@ WHERE absent"),
]
