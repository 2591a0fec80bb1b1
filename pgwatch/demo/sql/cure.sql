-- What a person does after the gate said no: repair the rows, then let each statement that failed succeed.

-- PostgresConstraintNotValidated: repair the rows that break it, then validate.
UPDATE users SET email = 'dana.price@roofing.example' WHERE email = 'dana.price@';
UPDATE users SET email = 'lee.foster@roofing.example' WHERE email = 'lee foster@roofing.example';
UPDATE users SET email = id || '@roofing.example' WHERE NOT is_valid_email(email);
ALTER TABLE users VALIDATE CONSTRAINT chk_users_email_format;

-- The check that was refused because of a row.
UPDATE projects SET budget = -budget WHERE budget < 0;
ALTER TABLE projects ADD CONSTRAINT chk_projects_budget_positive CHECK (budget IS NULL OR budget >= 0);
COMMENT ON CONSTRAINT chk_projects_budget_positive ON projects IS 'Credits are booked as material orders';

-- The column type that a view held back.
BEGIN;
DROP VIEW workflow_status_view;
ALTER TABLE workflow_steps ALTER COLUMN step_name TYPE varchar(255);
CREATE VIEW workflow_status_view AS
SELECT
    project.id AS project_id,
    project.project_number,
    project.status AS project_status,
    workflow.id AS workflow_id,
    workflow.overall_progress,
    tracker.current_phase_id,
    tracker.current_section_id,
    tracker.current_line_item_id,
    step.id AS current_step_id,
    step.step_name AS current_step_name,
    step.state AS current_step_state
FROM projects AS project
JOIN project_workflows AS workflow ON workflow.project_id = project.id
LEFT JOIN project_workflow_trackers AS tracker ON tracker.project_id = project.id
LEFT JOIN workflow_steps AS step ON step.id = tracker.current_step_id;
COMMIT;

-- PostgresTriggerDisabled
ALTER TABLE workflow_steps ENABLE TRIGGER trigger_validate_step_dependencies;

-- The trigger function that read columns its table does not have, so that every write failed.
CREATE OR REPLACE FUNCTION validate_calendar_event() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.end_time - NEW.start_time > interval '30 days' THEN
        RAISE EXCEPTION 'event % is longer than a month', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

-- PostgresInvalidIndex: remove the duplicates (the older device goes), then build it again.
DELETE FROM user_devices AS older
USING user_devices AS newer
WHERE older.device_token = newer.device_token AND older.id < newer.id;
REINDEX INDEX CONCURRENTLY idx_user_devices_token;

-- PostgresMaterializedViewNotPopulated: the first refresh cannot be a concurrent one.
REFRESH MATERIALIZED VIEW workflow_performance_metrics;

-- total_time and mean_time went with PostgreSQL 13.
CREATE VIEW query_performance_stats AS
SELECT query, calls, total_exec_time AS total_time, mean_exec_time AS mean_time, rows
FROM pg_stat_statements
ORDER BY total_exec_time DESC
LIMIT 50;
COMMENT ON VIEW query_performance_stats IS 'The statements that cost the server most';

-- The migration enabled a trigger of this name; the one it means is trigger_validate_step_dependencies.
DROP TRIGGER IF EXISTS trigger_validate_dependencies ON workflow_steps;

ANALYZE users, projects, workflow_steps, user_devices;

-- So that the last word of maintenance_log about each view is a success.
SELECT refresh_all_materialized_views();
