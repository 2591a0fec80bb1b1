# ruff: noqa: E501 - bodies in one line each, as a table
"""Statements, cursors and results of functions."""

from tests.liveness_cases.case import function

STATEMENTS = [
    function("absent table", "BEGIN INSERT INTO absent VALUES (1); END"),
    function("absent column", "BEGIN UPDATE t@ SET absent = 1; END"),
    function("absent column in a condition", "BEGIN DELETE FROM t@ WHERE absent = 1; END"),
    function("absent function", "BEGIN PERFORM absent(1); END"),
    function("a function of other arguments", "BEGIN PERFORM upper(1, 2); END"),
    function("an operator that is not there", "BEGIN PERFORM 1 FROM t@ WHERE id = 'a'::text; END"),
    function("absent type", "DECLARE x absent; BEGIN NULL; END"),
    function("absent cast", "BEGIN PERFORM 'x'::absent; END"),
    function("type of an absent column", "DECLARE x t@.name%TYPE; BEGIN x := 'a'; END"),
    function("a missing value of an enum", "BEGIN UPDATE t@ SET state = 'shut'; END"),
    function(
        "a row has it",
        "DECLARE r t@%ROWTYPE; BEGIN SELECT * INTO r FROM t@ LIMIT 1; r.name := upper(r.name); END",
    ),
    function(
        "a row does not have it",
        "DECLARE r t@%ROWTYPE; BEGIN SELECT * INTO r FROM t@ LIMIT 1; PERFORM upper(r.absent); END",
    ),
    function(
        "a record has it",
        "DECLARE r record; BEGIN SELECT id, name AS label INTO r FROM t@ LIMIT 1; PERFORM upper(r.label); END",
    ),
    function(
        "a record does not have it",
        "DECLARE r record; BEGIN SELECT id, name AS label INTO r FROM t@ LIMIT 1; PERFORM upper(r.name); END",
    ),
    function(
        "a loop's record",
        "DECLARE r record; BEGIN FOR r IN SELECT id, name FROM t@ LOOP PERFORM r.absent; END LOOP; END",
    ),
    function(
        "a loop's record in a statement",
        "DECLARE r record; BEGIN FOR r IN SELECT id, name FROM t@ LOOP UPDATE t@ SET name = r.name || '!' WHERE id = r.id; END LOOP; END",
    ),
    function(
        "two queries fill a record",
        "DECLARE r record; BEGIN SELECT id INTO r FROM t@ LIMIT 1; PERFORM r.id; SELECT name INTO r FROM t@ LIMIT 1; PERFORM r.name; END",
    ),
    function(
        "a cursor",
        "DECLARE c CURSOR (k int) FOR SELECT id, name FROM t@ WHERE id = k; BEGIN FOR r IN c(1) LOOP PERFORM upper(r.name); END LOOP; END",
    ),
    function(
        "a cursor over an absent column",
        "DECLARE c CURSOR FOR SELECT absent FROM t@; BEGIN OPEN c; CLOSE c; END",
    ),
    function(
        "a temporary table",
        "BEGIN CREATE TEMP TABLE w@ (id int) ON COMMIT DROP; INSERT INTO w@ SELECT id FROM t@; PERFORM count(*) FROM w@; END",
    ),
    function(
        "a temporary table of a query",
        "BEGIN CREATE TEMPORARY TABLE w@ ON COMMIT DROP AS SELECT id FROM t@; PERFORM count(*) FROM w@; END",
    ),
    function(
        "a CTE",
        "BEGIN WITH one AS (SELECT id FROM t@), two AS (DELETE FROM t@ USING one WHERE t@.id = one.id RETURNING t@.id) INSERT INTO t@ (id) SELECT id + 10 FROM two; END",
    ),
    function(
        "a variable like a column",
        "DECLARE name text := 'x'; BEGIN UPDATE t@ SET name = 'y' WHERE t@.name = 'z'; END",
    ),
    function(
        "a variable for a column",
        "DECLARE name text := 'x'; BEGIN PERFORM 1 FROM t@ WHERE name = 'z'; END",
    ),
    function(
        "use_column",
        "#variable_conflict use_column\nDECLARE name int := 1; BEGIN PERFORM 1 FROM t@ WHERE name = 'z'; END",
    ),
    function(
        "use_variable",
        "#variable_conflict use_variable\nDECLARE name int := 1; BEGIN PERFORM 1 FROM t@ WHERE id = name; END",
    ),
    function(
        "a result column for a column",
        "BEGIN RETURN QUERY SELECT id, t@.name FROM t@; END",
        head="f@() RETURNS TABLE (id int, name text)",
        run="SELECT * FROM f@()",
    ),
    function(
        "result columns in order by",
        "BEGIN RETURN QUERY SELECT t@.id AS id, t@.name AS name FROM t@ ORDER BY id, name; END",
        head="f@() RETURNS TABLE (id int, name text)",
        run="SELECT * FROM f@()",
    ),
    function(
        "result column in on conflict",
        "BEGIN INSERT INTO t@ (id) VALUES (1) ON CONFLICT (id) DO NOTHING; RETURN QUERY SELECT 1; END",
        head="f@() RETURNS TABLE (id int)",
        run="SELECT * FROM f@()",
    ),
    function(
        "a result of another type",
        "BEGIN RETURN QUERY SELECT t.name::varchar(10) FROM t@ t; END",
        head="f@() RETURNS TABLE (label text)",
        run="SELECT * FROM f@()",
    ),
    function(
        "a result of fewer columns",
        "BEGIN RETURN QUERY SELECT t.id FROM t@ t; END",
        head="f@() RETURNS TABLE (a int, b text)",
        run="SELECT * FROM f@()",
    ),
    function(
        "rows of a table",
        "BEGIN RETURN QUERY SELECT * FROM t@; END",
        head="f@() RETURNS SETOF t@",
        run="SELECT * FROM f@()",
    ),
    function(
        "a set of values",
        "BEGIN RETURN QUERY SELECT count(*) FROM t@; END",
        head="f@() RETURNS SETOF int",
        run="SELECT * FROM f@()",
    ),
    function(
        "a literal in a result",
        "BEGIN RETURN QUERY SELECT 'a', 1; END",
        head="f@() RETURNS TABLE (a text, b int)",
        run="SELECT * FROM f@()",
    ),
    function("rows that go nowhere", "BEGIN SELECT 1; END"),
    function("returning that goes nowhere", "BEGIN DELETE FROM t@ RETURNING id; END"),
    function(
        "returning into",
        "DECLARE n int; BEGIN DELETE FROM t@ WHERE id = 1 RETURNING id INTO n; END",
    ),
    function("vacuum", "BEGIN VACUUM t@; END"),
    function("vacuum in execute", "BEGIN EXECUTE 'VACUUM t@'; END"),
    function("analyze", "BEGIN ANALYZE t@; END"),
    function("analyze of nothing", "BEGIN ANALYZE absent; END"),
    function("truncate of nothing", "BEGIN TRUNCATE absent; END"),
    function("execute of a literal", "BEGIN EXECUTE 'UPDATE t@ SET absent = $1' USING 1; END"),
    function("execute of a good literal", "BEGIN EXECUTE 'UPDATE t@ SET name = $1' USING 'x'; END"),
    function(
        "execute of what is put together",
        "BEGIN EXECUTE format('SELECT count(*) FROM %I', 't@'); END",
    ),
]
