# ruff: noqa: E501 - bodies in one line each, as a table
"""Tables, functions and triggers that a case makes itself."""

from tests.liveness_cases.case import Case, function

WHOLES = [
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
    function(
        "a sequence that another body makes",
        "BEGIN EXECUTE 'CREATE TEMP SEQUENCE made@'; PERFORM nextval('made@'); END",
    ),
    function(
        "what is asked for first",
        "BEGIN IF EXISTS (SELECT 1 FROM pg_class WHERE relname = 'absent') THEN PERFORM 1 FROM absent; END IF; END",
    ),
    function(
        "what is asked for first, by FOUND",
        "BEGIN PERFORM 1 FROM pg_namespace WHERE nspname = 'absent'; IF FOUND THEN PERFORM absent.f(1); END IF; END",
    ),
    function(
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
