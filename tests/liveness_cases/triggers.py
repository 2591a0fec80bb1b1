# ruff: noqa: E501 - bodies in one line each, as a table
"""Bodies of triggers: fields of NEW and OLD, and what guards them."""

from tests.liveness_cases.case import INSERT, UPDATE, trigger

TRIGGERS = [
    # Fields of NEW and OLD
    trigger("absent field", "BEGIN NEW.absent := 1; RETURN NEW; END"),
    trigger("absent field read", "BEGIN IF NEW.absent > 1 THEN RAISE 'x'; END IF; RETURN NEW; END"),
    trigger(
        "absent field of old, in an insert", "BEGIN PERFORM OLD.absent; RETURN NEW; END", INSERT
    ),
    trigger("old in an insert", "BEGIN PERFORM OLD.name; RETURN coalesce(NEW, OLD); END"),
    trigger("new in a delete", "BEGIN PERFORM NEW.name; RETURN coalesce(NEW, OLD); END"),
    trigger("old is null", "BEGIN IF OLD IS NULL THEN RETURN NEW; END IF; RETURN OLD; END"),
    trigger(
        "a field in another spelling",
        "BEGIN NEW.\"name\" := 'a'; NEW.NAME := 'b'; RETURN NEW; END",
        INSERT,
    ),
    trigger("a field of the wrong case", "BEGIN NEW.\"Name\" := 'a'; RETURN NEW; END", INSERT),
    trigger("a system column", "BEGIN PERFORM NEW.tableoid; RETURN NEW; END", INSERT),
    trigger("into an absent field", "BEGIN SELECT 1 INTO NEW.absent; RETURN NEW; END", INSERT),
    trigger(
        "into a field", "BEGIN SELECT 'x', now() INTO NEW.name, NEW.at; RETURN NEW; END", INSERT
    ),
    trigger("a value that an enum lacks", "BEGIN NEW.state := 'shut'; RETURN NEW; END", INSERT),
    trigger("a value that an enum has", "BEGIN NEW.state := 'closed'; RETURN NEW; END", INSERT),
    trigger(
        "compared with no value of the enum",
        "BEGIN IF NEW.state = 'shut' THEN NULL; END IF; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "in a list without the value",
        "BEGIN IF NEW.state IN ('open', 'shut') THEN NULL; END IF; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "whole rows",
        "BEGIN IF NEW IS DISTINCT FROM OLD OR NEW.* IS DISTINCT FROM OLD.* THEN NULL; END IF; PERFORM to_jsonb(NEW), row_to_json(OLD.*); RETURN NEW; END",
        INSERT,
        UPDATE,
    ),
    trigger(
        "a copy of the row",
        "BEGIN INSERT INTO t@ SELECT NEW.* ON CONFLICT DO NOTHING; RETURN NEW; END",
        INSERT,
        on="AFTER INSERT",
    ),
    trigger(
        "a row's values",
        "BEGIN INSERT INTO t@ VALUES (NEW.*) ON CONFLICT DO NOTHING; RETURN NEW; END",
        INSERT,
        on="AFTER INSERT",
    ),
    trigger(
        "a field of a copy", "DECLARE r t@; BEGIN r := NEW; r.name := 'x'; RETURN r; END", INSERT
    ),
    trigger(
        "an absent field of a copy",
        "DECLARE r t@%ROWTYPE; BEGIN r := NEW; r.absent := 'x'; RETURN r; END",
        INSERT,
    ),
    # Guards
    trigger(
        "guarded by the event",
        "BEGIN IF TG_OP = 'TRUNCATE' THEN PERFORM NEW.absent; END IF; RETURN NEW; END",
    ),
    trigger(
        "guarded for some events",
        "BEGIN IF TG_OP = 'DELETE' THEN PERFORM OLD.absent; RETURN OLD; END IF; RETURN NEW; END",
    ),
    trigger(
        "guarded by the table",
        "BEGIN IF TG_TABLE_NAME = 'elsewhere' THEN NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "guarded by this table",
        "BEGIN IF TG_TABLE_NAME = 't@' THEN NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "an AND guards no expression",
        "BEGIN IF TG_TABLE_NAME = 'elsewhere' AND NEW.absent = 1 THEN RETURN NULL; END IF; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "an early return",
        "BEGIN IF TG_TABLE_NAME <> 'elsewhere' THEN RETURN NEW; END IF; NEW.absent := 1; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "an elsif",
        "BEGIN IF TG_OP = 'UPDATE' THEN NULL; ELSIF TG_OP = 'INSERT' THEN NULL; ELSE PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
        UPDATE,
        on="BEFORE INSERT OR UPDATE",
    ),
    trigger(
        "an else",
        "BEGIN IF TG_OP = 'UPDATE' THEN NULL; ELSE PERFORM NEW.absent; END IF; RETURN NEW; END",
    ),
    trigger(
        "a case",
        "BEGIN CASE TG_TABLE_NAME WHEN 'elsewhere', 'nowhere' THEN NEW.absent := 1; WHEN 't@' THEN NEW.name := 'x'; END CASE; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "a case that meets",
        "BEGIN CASE WHEN TG_WHEN = 'AFTER' THEN NULL; ELSE NEW.absent := 1; END CASE; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "a case of SQL guards nothing",
        "BEGIN NEW.name := CASE TG_TABLE_NAME WHEN 'elsewhere' THEN NEW.absent ELSE NEW.name END; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "not and or",
        "BEGIN IF NOT (TG_OP = 'INSERT' OR TG_LEVEL = 'ROW') THEN NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
        UPDATE,
    ),
    trigger(
        "in a list",
        "BEGIN IF TG_OP IN ('UPDATE', 'DELETE') THEN PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
        on="BEFORE INSERT",
    ),
    trigger(
        "an argument",
        "BEGIN IF TG_ARGV[0] = 'argument' AND TG_NARGS = 1 THEN NEW.name := TG_ARGV[0]; ELSE NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "an argument that is not there",
        "BEGIN IF TG_ARGV[1] IS NULL THEN NEW.absent := 1; END IF; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "a guard in a variable",
        "DECLARE o text := TG_OP; BEGIN IF o = 'DELETE' THEN PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
        UPDATE,
        on="BEFORE INSERT OR UPDATE",
    ),
    trigger(
        "a variable that changes",
        "DECLARE o text := TG_OP; BEGIN o := 'DELETE'; IF o = 'DELETE' THEN PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "lower case",
        "BEGIN IF lower(TG_OP) = 'insert' THEN RETURN NEW; END IF; PERFORM OLD.absent; RETURN NEW; END",
        INSERT,
        on="BEFORE INSERT",
    ),
    trigger(
        "any of an array",
        "BEGIN IF TG_OP = ANY (ARRAY['DELETE', 'TRUNCATE']) THEN PERFORM OLD.absent; END IF; RETURN NEW; END",
        INSERT,
        on="BEFORE INSERT",
    ),
    trigger(
        "behind a raise", "BEGIN RAISE NOTICE 'x'; RETURN NEW; PERFORM NEW.absent; END", INSERT
    ),
    trigger(
        "a handler",
        "BEGIN BEGIN NEW.absent := 1; EXCEPTION WHEN undefined_column THEN NULL; END; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "a handler for others",
        "BEGIN BEGIN NEW.absent := 1; EXCEPTION WHEN unique_violation THEN NULL; WHEN OTHERS THEN NULL; END; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "a handler for something else",
        "BEGIN BEGIN NEW.absent := 1; EXCEPTION WHEN unique_violation THEN NULL; END; RETURN NEW; END",
        INSERT,
    ),
    trigger(
        "a handler that passes it on",
        "BEGIN NEW.absent := 1; RETURN NEW; EXCEPTION WHEN OTHERS THEN RAISE; END",
        INSERT,
    ),
    trigger("no return", "BEGIN NEW.name := 'x'; END", INSERT),
    trigger(
        "each way returns",
        "BEGIN IF NEW.id > 1 THEN RETURN NEW; ELSE RETURN NULL; END IF; END",
        INSERT,
    ),
    trigger(
        "a variable called action",
        "DECLARE action text := lower(TG_OP); BEGIN NEW.name := action; RETURN NEW; END",
        INSERT,
    ),
]
