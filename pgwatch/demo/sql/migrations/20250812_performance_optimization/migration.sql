-- Performance: indexes for the screens that were slow, full-text search, materialized views for the
-- dashboard, and views that show what the server does.

-- Indexes

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_projects_status ON projects (status);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_projects_phase ON projects (phase);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_projects_customer ON projects (customer_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_projects_manager ON projects (project_manager_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_projects_status_phase ON projects (status, phase);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_projects_active
    ON projects (updated_at DESC) WHERE NOT archived AND status IN ('IN_PROGRESS', 'PENDING');
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_projects_dates ON projects (start_date, end_date);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_project_team_user ON project_team_members (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_project_status ON tasks (project_id, status);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_assigned ON tasks (assigned_to_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_open_due ON tasks (due_date) WHERE status <> 'DONE';
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_task_dependencies_on ON task_dependencies (depends_on_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_documents_project ON documents (project_id, created_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_documents_uploader ON documents (uploaded_by_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_document_downloads_document ON document_downloads (document_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_messages_conversation ON messages (conversation_id, created_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_messages_sender ON messages (sender_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_project_messages_project ON project_messages (project_id, created_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_project_messages_author ON project_messages (author_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_notifications_recipient ON notifications (recipient_id, created_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_notifications_unread ON notifications (recipient_id) WHERE NOT is_read;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_calendar_events_project ON calendar_events (project_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_calendar_events_organizer ON calendar_events (organizer_id, start_time);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_calendar_events_time ON calendar_events (start_time, end_time);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_sessions_user ON user_sessions (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_sessions_expiry ON user_sessions (expires_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_devices_user ON user_devices (user_id);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_user_devices_token ON user_devices (device_token);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_users_active_role ON users (role) WHERE is_active;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_users_preferences ON users USING gin (notification_preferences);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_security_events_user ON security_events (user_id, created_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_security_events_risky
    ON security_events (created_at DESC) WHERE risk_level IN ('HIGH', 'CRITICAL');
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_security_events_details ON security_events USING gin (details);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_contacts_customer ON contacts (customer_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_customers_email ON customers (lower(primary_email));
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_steps_assigned ON workflow_steps (assigned_to_id, state);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_steps_open
    ON workflow_steps (workflow_id, step_order) WHERE NOT is_completed;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_steps_dependencies ON workflow_steps USING gin (dependencies);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_subtasks_step ON workflow_subtasks (step_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_alerts_project ON workflow_alerts (project_id, status);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_alerts_active_due
    ON workflow_alerts (due_date) WHERE status = 'ACTIVE';
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_completed_items_tracker ON completed_workflow_items (tracker_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_trackers_position
    ON project_workflow_trackers (current_phase_id, current_section_id, current_line_item_id);

-- Search

ALTER TABLE projects ADD COLUMN IF NOT EXISTS search_vector tsvector;
ALTER TABLE documents ADD COLUMN IF NOT EXISTS search_vector tsvector;
ALTER TABLE messages ADD COLUMN IF NOT EXISTS search_vector tsvector;

CREATE OR REPLACE FUNCTION update_project_search_vector() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_vector := to_tsvector('english', concat_ws(' ', NEW.project_name, NEW.description, NEW.notes));
    RETURN NEW;
END
$$;
CREATE OR REPLACE FUNCTION update_document_search_vector() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_vector := to_tsvector('english', concat_ws(' ', NEW.title, NEW.description));
    RETURN NEW;
END
$$;
CREATE OR REPLACE FUNCTION update_message_search_vector() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_vector := to_tsvector('english', NEW.content);
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_project_search_vector BEFORE INSERT OR UPDATE ON projects
    FOR EACH ROW EXECUTE FUNCTION update_project_search_vector();
CREATE TRIGGER trigger_document_search_vector BEFORE INSERT OR UPDATE ON documents
    FOR EACH ROW EXECUTE FUNCTION update_document_search_vector();
CREATE TRIGGER trigger_message_search_vector BEFORE INSERT OR UPDATE ON messages
    FOR EACH ROW EXECUTE FUNCTION update_message_search_vector();

UPDATE projects SET search_vector = to_tsvector('english', concat_ws(' ', project_name, description, notes));
UPDATE documents SET search_vector = to_tsvector('english', concat_ws(' ', title, description));
UPDATE messages SET search_vector = to_tsvector('english', content);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_projects_search ON projects USING gin (search_vector);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_documents_search ON documents USING gin (search_vector);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_messages_search ON messages USING gin (search_vector);

-- Materialized views of the dashboard

CREATE MATERIALIZED VIEW IF NOT EXISTS project_dashboard_summary AS
SELECT
    project.id,
    project.project_number,
    project.status,
    project.phase,
    project.progress,
    workflow.overall_progress,
    customer.primary_name AS customer_name,
    count(task.id) AS task_count,
    count(task.id) FILTER (WHERE task.status = 'DONE') AS completed_task_count
FROM projects AS project
JOIN customers AS customer ON customer.id = project.customer_id
LEFT JOIN project_workflows AS workflow ON workflow.project_id = project.id
LEFT JOIN tasks AS task ON task.project_id = project.id
WHERE NOT project.archived
GROUP BY project.id, workflow.overall_progress, customer.primary_name;
CREATE UNIQUE INDEX IF NOT EXISTS idx_project_dashboard_summary_id ON project_dashboard_summary (id);

CREATE MATERIALIZED VIEW IF NOT EXISTS user_workload_summary AS
SELECT
    person.id AS user_id,
    person.role,
    count(DISTINCT task.id) FILTER (WHERE task.status <> 'DONE') AS open_tasks,
    count(DISTINCT step.id) FILTER (WHERE NOT step.is_completed) AS open_steps
FROM users AS person
LEFT JOIN tasks AS task ON task.assigned_to_id = person.id
LEFT JOIN workflow_steps AS step ON step.assigned_to_id = person.id
WHERE person.is_active
GROUP BY person.id;
CREATE UNIQUE INDEX IF NOT EXISTS idx_user_workload_summary_user ON user_workload_summary (user_id);

-- The largest one: created empty, filled afterwards without a lock.
CREATE MATERIALIZED VIEW IF NOT EXISTS workflow_performance_metrics AS
SELECT
    step.phase,
    step.step_id,
    count(*) AS step_count,
    count(*) FILTER (WHERE step.is_completed) AS completed_count,
    avg(step.completed_at::date - step.actual_start_date) AS average_days
FROM workflow_steps AS step
GROUP BY step.phase, step.step_id
WITH NO DATA;
CREATE UNIQUE INDEX IF NOT EXISTS idx_workflow_performance_metrics_step
    ON workflow_performance_metrics (phase, step_id);
REFRESH MATERIALIZED VIEW CONCURRENTLY workflow_performance_metrics;

-- Maintenance

CREATE TABLE IF NOT EXISTS maintenance_log (
    id bigserial PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    maintenance_type varchar(50) NOT NULL,
    target_name varchar(100),
    duration_ms integer,
    status varchar(20) NOT NULL DEFAULT 'SUCCESS',
    error_message text,
    details jsonb
);

CREATE TABLE IF NOT EXISTS slow_query_log (
    id bigserial PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    query text NOT NULL,
    duration_ms integer NOT NULL,
    user_id text,
    details jsonb
);
CREATE INDEX IF NOT EXISTS idx_slow_query_log_duration ON slow_query_log (duration_ms DESC);

CREATE TABLE IF NOT EXISTS workflow_audit_log_partitioned (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    created_at timestamptz NOT NULL DEFAULT now(),
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    action text NOT NULL,
    old_values jsonb,
    new_values jsonb,
    user_id text,
    project_id text,
    workflow_id text,
    notes text,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE IF NOT EXISTS workflow_audit_log_default PARTITION OF workflow_audit_log_partitioned DEFAULT;
DO $$
DECLARE
    v_month date;
BEGIN
    FOR v_month IN SELECT generate_series(date '2025-08-01', date '2025-12-01', interval '1 month') LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF workflow_audit_log_partitioned FOR VALUES FROM (%L) TO (%L)',
            'workflow_audit_log_' || to_char(v_month, 'YYYY_MM'), v_month, v_month + interval '1 month'
        );
    END LOOP;
END
$$;

-- Refreshes each materialized view and writes the outcome to maintenance_log; one that fails does not stop the rest.
CREATE OR REPLACE FUNCTION refresh_all_materialized_views() RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_name text;
    v_started timestamptz;
    v_refreshed integer := 0;
BEGIN
    FOREACH v_name IN ARRAY
        ARRAY['project_dashboard_summary', 'user_workload_summary', 'workflow_performance_metrics']
    LOOP
        v_started := clock_timestamp();
        BEGIN
            EXECUTE format('REFRESH MATERIALIZED VIEW CONCURRENTLY %I', v_name);
            v_refreshed := v_refreshed + 1;
            INSERT INTO maintenance_log (maintenance_type, target_name, duration_ms)
            VALUES ('REFRESH', v_name, extract(epoch FROM clock_timestamp() - v_started) * 1000);
        EXCEPTION WHEN OTHERS THEN
            INSERT INTO maintenance_log (maintenance_type, target_name, duration_ms, status, error_message)
            VALUES ('REFRESH', v_name, extract(epoch FROM clock_timestamp() - v_started) * 1000, 'FAILED', SQLERRM);
        END;
    END LOOP;
    RETURN v_refreshed;
END
$$;

CREATE OR REPLACE FUNCTION update_table_statistics() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    ANALYZE projects, workflow_steps, tasks, documents, messages, notifications;
    INSERT INTO maintenance_log (maintenance_type, target_name) VALUES ('ANALYZE', 'main tables');
END
$$;

CREATE OR REPLACE FUNCTION run_daily_maintenance() RETURNS integer
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM update_table_statistics();
    DELETE FROM maintenance_log WHERE created_at < now() - interval '90 days';
    RETURN refresh_all_materialized_views();
END
$$;

CREATE OR REPLACE FUNCTION log_slow_query(p_query text, p_duration_ms integer, p_user_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql AS $$
    INSERT INTO slow_query_log (query, duration_ms, user_id)
    VALUES (p_query, p_duration_ms, p_user_id)
    RETURNING id
$$;

CREATE OR REPLACE FUNCTION get_project_status_optimized(p_project_id text)
RETURNS TABLE (project_id text, status text, phase project_phases, progress integer, current_step_id text)
LANGUAGE sql STABLE AS $$
    SELECT project.id, project.status, project.phase, workflow.overall_progress, tracker.current_step_id
    FROM projects AS project
    LEFT JOIN project_workflows AS workflow ON workflow.project_id = project.id
    LEFT JOIN project_workflow_trackers AS tracker ON tracker.project_id = project.id
    WHERE project.id = p_project_id
$$;

-- What the server does

CREATE OR REPLACE VIEW connection_stats AS
SELECT state, count(*) AS connections, max(now() - state_change) AS longest
FROM pg_stat_activity
WHERE datname = current_database()
GROUP BY state;

CREATE OR REPLACE VIEW index_usage_stats AS
SELECT
    schemaname, relname AS table_name, indexrelname AS index_name, idx_scan, idx_tup_read, idx_tup_fetch,
    CASE WHEN idx_scan = 0 THEN 'UNUSED' WHEN idx_scan < 100 THEN 'LOW' WHEN idx_scan < 1000 THEN 'MEDIUM' ELSE 'HIGH' END
        AS usage_level
FROM pg_stat_user_indexes;

CREATE OR REPLACE VIEW table_size_stats AS
SELECT
    schemaname, relname AS table_name, n_live_tup AS row_estimate, pg_total_relation_size(relid) AS total_bytes,
    pg_relation_size(relid) AS table_bytes, pg_indexes_size(relid) AS index_bytes
FROM pg_stat_user_tables;

CREATE OR REPLACE VIEW query_performance_stats AS
SELECT query, calls, total_time, mean_time, rows
FROM pg_stat_statements
ORDER BY total_time DESC
LIMIT 50;
COMMENT ON VIEW query_performance_stats IS 'The statements that cost the server most';

ANALYZE;
