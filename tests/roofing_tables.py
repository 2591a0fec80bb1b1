"""The tables of the roofing application that its pack reads, with nothing wrong in them."""

TABLES = """
CREATE TABLE projects (id text PRIMARY KEY, status text, archived boolean);
CREATE TABLE workflow_phases (id text PRIMARY KEY);
CREATE TABLE workflow_sections (id text PRIMARY KEY, phase_id text);
CREATE TABLE workflow_line_items (id text PRIMARY KEY, section_id text);
CREATE TABLE project_workflows (id text PRIMARY KEY, project_id text, overall_progress integer);
CREATE TYPE workflow_state AS ENUM
    ('PENDING', 'ACTIVE', 'IN_PROGRESS', 'BLOCKED', 'COMPLETED', 'SKIPPED');
CREATE TABLE workflow_steps (
    id text PRIMARY KEY, workflow_id text, state workflow_state, is_completed boolean,
    completed_at timestamptz, actual_start_date date
);
CREATE TABLE project_workflow_trackers (
    project_id text UNIQUE, current_phase_id text, current_section_id text,
    current_line_item_id text, phase_started_at timestamptz
);
CREATE TABLE workflow_audit_log (
    id bigserial, created_at timestamptz DEFAULT now(), entity_type text, entity_id text, action text,
    project_id text
);
CREATE TABLE constraint_violations (
    id serial, created_at timestamptz DEFAULT now(), table_name varchar(100),
    constraint_name varchar(100), violation_type varchar(50), entity_id text, error_message text,
    resolved boolean DEFAULT false
);
CREATE TABLE maintenance_log (
    id bigserial, created_at timestamptz DEFAULT now(), maintenance_type varchar(50),
    target_name varchar(100), status varchar(20), error_message text
);
CREATE TABLE materialized_view_status (view_name text, last_refresh timestamptz);
CREATE VIEW connection_stats AS
    SELECT state, count(*) AS connections FROM pg_stat_activity GROUP BY state;
CREATE VIEW index_usage_stats AS
    SELECT indexrelname, CASE WHEN idx_scan = 0 THEN 'UNUSED' ELSE 'LOW' END AS usage_level
    FROM pg_stat_user_indexes;
CREATE VIEW table_size_stats AS
    SELECT relname, pg_total_relation_size(relid) AS total_bytes FROM pg_stat_user_tables;

INSERT INTO projects VALUES ('p1', 'IN_PROGRESS', false);
INSERT INTO workflow_phases VALUES ('ph1'), ('ph2');
INSERT INTO workflow_sections VALUES ('s1', 'ph1'), ('s2', 'ph2');
INSERT INTO workflow_line_items VALUES ('i1', 's1'), ('i2', 's2');
INSERT INTO project_workflows VALUES ('w1', 'p1', 50);
INSERT INTO workflow_steps VALUES
    ('st1', 'w1', 'COMPLETED', true, now() - interval '2 hours', current_date - 1),
    ('st2', 'w1', 'IN_PROGRESS', false, NULL, NULL);
INSERT INTO project_workflow_trackers VALUES ('p1', 'ph1', 's1', 'i1', now() - interval '1 day');
INSERT INTO maintenance_log (maintenance_type, target_name, status) VALUES ('ANALYZE', 'projects', 'SUCCESS');
INSERT INTO materialized_view_status VALUES ('dashboard', now());
"""
