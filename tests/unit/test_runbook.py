"""What a runbook promises: what its SQL and commands name, and nothing that a reader would not expect."""

from pathlib import Path

import pytest

from pgwatch.check.runbook import Runbook, read_runbook
from pgwatch.check.shell import read_commands

PATH = Path("/repo/docs/deploy.md")


def read(text: str) -> Runbook:
    return read_runbook(text, PATH)


def names(text: str) -> list[str]:
    return [f"{p.mention.kind} {p.mention}" for p in read(text).objects]


def fenced(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```", ""])


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("SELECT view_name FROM materialized_view_status;", ["relation materialized_view_status"]),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY app.mv;", ["relation app.mv"]),
        ("SELECT f(1), g() FROM t", ["function f", "function g", "relation t"]),
        ("CALL tidy();", ["function tidy"]),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", ["constraint c", "relation t"]),
        ("ALTER TABLE t DISABLE TRIGGER tr", ["relation t", "trigger tr"]),
        ("DROP TRIGGER tr ON t", ["trigger tr", "relation t"]),
        ("DROP INDEX i", ["relation i"]),
        ("EXPLAIN ANALYZE SELECT 1 FROM t", ["relation t"]),
        ("WITH q AS (SELECT 1 FROM t) SELECT * FROM q", ["relation t"]),
        ("UPDATE t SET a = 1 WHERE id = <PROJECT_ID>", ["relation t"]),
        ("SELECT * FROM t WHERE id = ${ID} OR id = :id OR id = $ID", ["relation t"]),
        ("DROP TABLE IF EXISTS gone", []),
        ("ALTER TABLE IF EXISTS gone DROP CONSTRAINT c", []),
        ("SELECT count(*) FROM pg_stat_activity", ["function count"]),
        ("SELECT * FROM information_schema.tables, pg_catalog.pg_class", []),
        ("SELECT pg_size_pretty(1), extract(epoch FROM x)", []),
        ("SELECT * FROM <table>", []),
        ("SELECT * FROM your_table, table_name, YOUR_SCHEMA.x", ["relation your_schema.x"]),
        ("\\dt users", []),
        ("SELECT * FROM backup_YYYYMMDD", []),
    ],
)
def test_sql(statement: str, named: list[str]) -> None:
    assert sorted(names(fenced("sql", statement))) == sorted(named)


def test_what_the_runbook_makes_itself_is_known() -> None:
    found = read(fenced("sql", "CREATE TABLE bak AS SELECT * FROM users;", "SELECT * FROM bak;"))
    assert {str(one) for one in found.made_objects} == {"bak"}


def test_lines_are_those_of_the_runbook_and_each_object_is_told_once() -> None:
    text = "# Title\n\n" + fenced("sql", "-- first", "SELECT 1", "  FROM t;", "SELECT 2 FROM t;")
    (promise,) = read(text).objects
    assert promise.lines == (5, 7)
    assert promise.text == "SELECT 1 FROM t"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Look at the view `v`.", ["relation v"]),
        ("Look at the materialized view `v_x` and the `t` table.", ["relation v_x", "relation t"]),
        ("The tables `a`, `b` and `c` grow.", ["relation a", "relation b", "relation c"]),
        ("The function `f()`, and trigger `tr`", ["function f", "trigger tr"]),
        ("The constraint: `app.c`", ["constraint app.c"]),
        ("Run `SELECT f();` daily.", ["function f"]),
        ("Run `analyze users` daily.", ["relation users"]),
        ("The function `getProject()` of the app.", []),
        ("The table `x` is dropped.", []),
        ("If the view `v` does not exist, go on.", []),
        ("Use `psql`, `npm`, `roofing_db`, `ON_ERROR_STOP` and `users`.", []),
        ("The table `<name>` or the table `your_table`.", []),
        ("The index `index.html` of the site.", []),
    ],
)  # fmt: skip
def test_prose(text: str, named: list[str]) -> None:
    assert names(text) == named


@pytest.mark.parametrize(
    ("block", "named"),
    [
        (fenced("bash", 'psql -d db -c "SELECT 1', '  FROM t"'), ["relation t"]),
        (fenced("bash", "psql db <<'SQL'", "SELECT 1 FROM t;", "SQL", "ls"), ["relation t"]),
        (fenced("bash", "cat > x.sql <<SQL", "SELECT 1 FROM t;", "SQL"), []),
        (fenced("console", "$ psql -c 'TABLE t'", " id | SELECT 1 FROM shown"), ["relation t"]),
        (fenced("", "SELECT 1 FROM t;"), ["relation t"]),
        (fenced("", "$ psql --command='TABLE t'"), ["relation t"]),
        (fenced("", "Some output FROM t"), []),
        (fenced("js", "await db.query('SELECT 1 FROM t')"), []),
        ("- item\n  ```sql\n  SELECT 1 FROM t;\n  ```\n", ["relation t"]),
        ("~~~~sql\nSELECT 1 FROM t;\n~~~\n~~~~\n", ["relation t"]),
    ],
)
def test_blocks(block: str, named: list[str]) -> None:
    assert names(block) == named


def test_sql_that_postgresql_does_not_know_is_told_by_line() -> None:
    text = fenced("sql", "SELECT 1;", "SELECT FROM WHERE;", "SELECT * FROM <x>;")
    assert read(text).unread == (3,)
    assert read(fenced("", "SELECT FROM WHERE;")).unread == ()


@pytest.mark.parametrize(
    ("command", "used"),
    [
        ("psql -d db -f a/one.sql", ["a/one.sql"]),
        ("psql --file=one.sql db && psql --file two.sql", ["one.sql", "two.sql"]),
        ("psql db < three.sql", ["three.sql"]),
        ("sudo -u x true; ./scripts/run.sh --fast", ["./scripts/run.sh"]),
        ("FOO=1 bash scripts/run.sh", ["scripts/run.sh"]),
        ("node scripts/x.js --pre", ["scripts/x.js"]),
        ("npx tsx scripts/x.ts", ["scripts/x.ts"]),
        ("python3 manage.py migrate", ["manage.py"]),
        ("npm run db:validate -- --x", ["script db:validate"]),
        ("yarn run check", ["script check"]),
        ("python3 -m http.server; node -e 'x'; bash -c 'y'", []),
        ("psql -f \"$FILE\"; psql -f $DIR/x.sql; psql -f migrations/*.sql", []),
        ("npm install; npm test; npm --prefix server run x", []),
        ("docker compose exec db psql -f /x.sql; ssh host ./run.sh", []),
        ("curl http://localhost:5000/api/x.sh", []),
        ("cat notes.sql | grep x", []),
        ("# psql -f commented.sql", []),
    ],
)  # fmt: skip
def test_files_that_commands_use(command: str, used: list[str]) -> None:
    found = read_commands(command).used
    assert [f"script {one.path}" if one.of_package else one.path for one in found] == used


def test_cd_is_followed_as_far_as_it_can_be() -> None:
    text = "cd server\npsql -f a.sql\ncd db && psql -f b.sql\ncd $HOME\npsql -f c.sql\n"
    assert [(one.folder, one.path, one.line) for one in read_commands(text, line=10).used] == [
        ("server", "a.sql", 11),
        ("server/db", "b.sql", 12),
    ]


@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("pg_dump db > backup_$(date +%F).sql", ["backup_*.sql"]),
        ("pg_dump -Fc -f b.dump db", ["b.dump"]),
        ("pg_dump db | tee copy.sql", ["copy.sql"]),
        ("cp a.sql b.sql; touch c.sql; curl -o d.sql http://x", ["b.sql", "c.sql", "d.sql"]),
        ("psql -c 'x' 2>&1 > log_${DAY}.txt", ["log_*.txt"]),
    ],
)
def test_files_that_commands_make(command: str, made: list[str]) -> None:
    assert list(read_commands(command).made) == made


@pytest.mark.parametrize(
    "path", ["path/to/x.sql", "/var/x.sql", "backup_YYYYMMDD.sql", "your-file.sql", "~/x.sql", "<file>.sql"]
)  # fmt: skip
def test_paths_that_stand_for_a_path_are_no_promise(path: str) -> None:
    assert read(fenced("sh", f"psql -f {path}")).files == ()


def test_an_included_file_that_is_not_there() -> None:
    (file,) = read(fenced("psql", "db=> \\i missing.sql")).files
    assert (file.path, file.line) == ("missing.sql", 2)
