-- The monitoring role: pg_monitor, and SELECT on what the application's queries read. It sees no secret.
-- Run it before the migrations: the last statement covers the tables and views that they create.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'pgwatch') THEN
        CREATE ROLE pgwatch LOGIN CONNECTION LIMIT 10;
    END IF;
END
$$;

GRANT pg_monitor TO pgwatch;
GRANT SELECT ON
    _prisma_migrations,
    customers,
    contacts,
    documents,
    projects,
    tasks,
    task_dependencies,
    users,
    workflow_phases,
    workflow_sections,
    workflow_line_items,
    project_workflows,
    workflow_steps,
    workflow_subtasks,
    workflow_alerts,
    project_workflow_trackers,
    completed_workflow_items,
    project_phase_overrides
TO pgwatch;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pgwatch;
