-- Constraints and validations: rules that lived in the application move into the database,
-- and what breaks them is written down in constraint_violations.

CREATE TABLE IF NOT EXISTS constraint_violations (
    id serial PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    table_name varchar(100) NOT NULL,
    constraint_name varchar(100) NOT NULL,
    violation_type varchar(50) NOT NULL,
    entity_id text,
    error_message text,
    user_id text,
    resolved boolean NOT NULL DEFAULT false,
    resolved_at timestamptz,
    resolution_notes text
);
CREATE INDEX IF NOT EXISTS idx_constraint_violations_unresolved
    ON constraint_violations (created_at DESC) WHERE NOT resolved;
CREATE INDEX IF NOT EXISTS idx_constraint_violations_table
    ON constraint_violations (table_name, constraint_name);

CREATE OR REPLACE FUNCTION log_constraint_violation(
    p_table text, p_constraint text, p_type text, p_entity text, p_message text
) RETURNS integer
LANGUAGE sql AS $$
    INSERT INTO constraint_violations (table_name, constraint_name, violation_type, entity_id, error_message)
    VALUES (p_table, p_constraint, p_type, p_entity, p_message)
    RETURNING id
$$;

CREATE OR REPLACE FUNCTION is_valid_notification_preferences(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_typeof(value) = 'object' AND value ? 'email'
$$;

-- Checks on rows

ALTER TABLE users ADD CONSTRAINT chk_users_notification_preferences_valid
    CHECK (is_valid_notification_preferences(notification_preferences));
ALTER TABLE users ADD CONSTRAINT chk_users_name_not_empty
    CHECK (length(trim(first_name)) > 0 AND length(trim(last_name)) > 0);
ALTER TABLE user_mfa ADD CONSTRAINT chk_user_mfa_failed_attempts_range CHECK (failed_attempts BETWEEN 0 AND 10);
ALTER TABLE user_behavior_patterns ADD CONSTRAINT chk_user_behavior_risk_score_range
    CHECK (risk_score BETWEEN 0 AND 100);
ALTER TABLE security_events ADD CONSTRAINT chk_security_events_risk_level_valid
    CHECK (risk_level IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL'));
ALTER TABLE projects ADD CONSTRAINT chk_projects_dates_ordered
    CHECK (start_date IS NULL OR end_date IS NULL OR start_date <= end_date);
ALTER TABLE projects ADD CONSTRAINT chk_projects_number_positive CHECK (project_number > 0);
ALTER TABLE tasks ADD CONSTRAINT chk_tasks_estimated_hours_positive
    CHECK (estimated_hours IS NULL OR estimated_hours > 0);
ALTER TABLE task_dependencies ADD CONSTRAINT chk_task_dependencies_not_self CHECK (task_id <> depends_on_id);
ALTER TABLE documents ADD CONSTRAINT chk_documents_size_positive CHECK (file_size >= 0);
ALTER TABLE calendar_events ADD CONSTRAINT chk_calendar_events_times_ordered CHECK (start_time < end_time);
ALTER TABLE workflow_steps ADD CONSTRAINT chk_workflow_steps_order_positive CHECK (step_order > 0);
ALTER TABLE workflow_steps ADD CONSTRAINT chk_workflow_steps_duration_positive CHECK (estimated_duration > 0);
ALTER TABLE workflow_steps ADD CONSTRAINT chk_workflow_steps_alert_days_positive CHECK (alert_days >= 0);
ALTER TABLE workflow_alerts ADD CONSTRAINT chk_workflow_alerts_status_valid
    CHECK (status IN ('ACTIVE', 'ACKNOWLEDGED', 'COMPLETED', 'DISMISSED'));
ALTER TABLE project_phase_overrides ADD CONSTRAINT chk_phase_overrides_reason_not_empty
    CHECK (length(trim(reason)) > 0);

COMMENT ON CONSTRAINT chk_projects_budget_positive ON projects IS 'Credits are booked as material orders';

-- The state machine replaces the simple check of the workflow consolidation.

CREATE OR REPLACE FUNCTION enforce_workflow_state_machine() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('COMPLETED', 'SKIPPED') AND NEW.state IN ('PENDING', 'ACTIVE') THEN
        RAISE EXCEPTION 'step %: % cannot become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
DROP TRIGGER IF EXISTS trigger_validate_state ON workflow_steps;
CREATE TRIGGER trigger_enforce_state_machine
    BEFORE UPDATE ON workflow_steps
    FOR EACH ROW EXECUTE FUNCTION enforce_workflow_state_machine();

CREATE OR REPLACE FUNCTION validate_step_dependencies() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM workflow_steps WHERE id = ANY (NEW.dependencies) AND NOT is_completed
    ) THEN
        RAISE EXCEPTION 'step %: a step it depends on is not completed', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_validate_step_dependencies
    BEFORE UPDATE ON workflow_steps
    FOR EACH ROW WHEN (NEW.state = 'COMPLETED' AND OLD.state <> 'COMPLETED')
    EXECUTE FUNCTION validate_step_dependencies();

-- Steps without a start get their planned one; the dependency check is in the way of that many rows.
ALTER TABLE workflow_steps DISABLE TRIGGER trigger_validate_step_dependencies;
UPDATE workflow_steps SET actual_start_date = scheduled_start_date
WHERE is_completed AND actual_start_date IS NULL;
ALTER TABLE workflow_steps ENABLE TRIGGER trigger_validate_dependencies;

-- Checks across rows, each a function and its trigger

CREATE OR REPLACE FUNCTION validate_project_dates() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'COMPLETED' AND NEW.start_date > current_date + 3650 THEN
        RAISE EXCEPTION 'project % is completed before it starts', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_validate_project_dates
    BEFORE INSERT OR UPDATE ON projects
    FOR EACH ROW EXECUTE FUNCTION validate_project_dates();

CREATE OR REPLACE FUNCTION report_project_overspending() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM log_constraint_violation('projects', 'budget_overrun', 'BUSINESS_RULE', NEW.id,
        format('spent %s of a budget of %s', NEW.actual_cost, NEW.budget));
    RETURN NULL;
END
$$;
CREATE TRIGGER trigger_report_project_overspending
    AFTER UPDATE ON projects
    FOR EACH ROW WHEN (NEW.actual_cost > 2 * NEW.budget AND OLD.actual_cost IS DISTINCT FROM NEW.actual_cost)
    EXECUTE FUNCTION report_project_overspending();

CREATE OR REPLACE FUNCTION complete_task_timestamps() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.completed_at := CASE WHEN NEW.status = 'DONE' THEN coalesce(NEW.completed_at, now()) END;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_complete_task_timestamps
    BEFORE INSERT OR UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION complete_task_timestamps();

CREATE OR REPLACE FUNCTION prevent_task_dependency_cycle() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        WITH RECURSIVE upstream AS (
            SELECT NEW.depends_on_id AS task_id
            UNION
            SELECT dependency.depends_on_id
            FROM task_dependencies AS dependency
            JOIN upstream ON upstream.task_id = dependency.task_id
        )
        SELECT 1 FROM upstream WHERE task_id = NEW.task_id
    ) THEN
        RAISE EXCEPTION 'task % would depend on itself', NEW.task_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_prevent_task_dependency_cycle
    BEFORE INSERT OR UPDATE ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION prevent_task_dependency_cycle();

CREATE OR REPLACE FUNCTION validate_team_membership() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM users WHERE id = NEW.user_id AND is_active) THEN
        RAISE EXCEPTION 'user % is not active', NEW.user_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_validate_team_membership
    BEFORE INSERT OR UPDATE ON project_team_members
    FOR EACH ROW EXECUTE FUNCTION validate_team_membership();

CREATE OR REPLACE FUNCTION report_large_document() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM log_constraint_violation('documents', 'document_size', 'BUSINESS_RULE', NEW.id, 'more than 1 GB');
    RETURN NULL;
END
$$;
CREATE TRIGGER trigger_report_large_document
    AFTER INSERT ON documents
    FOR EACH ROW WHEN (NEW.file_size > 1073741824) EXECUTE FUNCTION report_large_document();

CREATE OR REPLACE FUNCTION validate_message_content() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF length(trim(NEW.content)) = 0 THEN
        RAISE EXCEPTION 'a message needs a text' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_validate_message_content
    BEFORE INSERT OR UPDATE ON messages
    FOR EACH ROW EXECUTE FUNCTION validate_message_content();
CREATE TRIGGER trigger_validate_project_message_content
    BEFORE INSERT OR UPDATE ON project_messages
    FOR EACH ROW EXECUTE FUNCTION validate_message_content();

CREATE OR REPLACE FUNCTION validate_calendar_event() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.end_date - NEW.start_date > interval '30 days' THEN
        RAISE EXCEPTION 'event % is longer than a month', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_validate_calendar_event
    BEFORE INSERT OR UPDATE ON calendar_events
    FOR EACH ROW EXECUTE FUNCTION validate_calendar_event();

CREATE OR REPLACE FUNCTION validate_notification() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.title := coalesce(nullif(trim(NEW.title), ''), 'Notification');
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_validate_notification
    BEFORE INSERT ON notifications
    FOR EACH ROW EXECUTE FUNCTION validate_notification();

CREATE OR REPLACE FUNCTION validate_workflow_alert() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM project_workflows WHERE id = NEW.workflow_id AND project_id = NEW.project_id
    ) THEN
        RAISE EXCEPTION 'alert %: the workflow is another project''s', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_validate_workflow_alert
    BEFORE INSERT OR UPDATE ON workflow_alerts
    FOR EACH ROW EXECUTE FUNCTION validate_workflow_alert();

CREATE OR REPLACE FUNCTION report_tracker_position() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1
        FROM workflow_line_items AS item
        JOIN workflow_sections AS section ON section.id = item.section_id
        WHERE item.id = NEW.current_line_item_id
            AND section.id = NEW.current_section_id
            AND section.phase_id = NEW.current_phase_id
    ) THEN
        PERFORM log_constraint_violation('project_workflow_trackers', 'tracker_position', 'CONSISTENCY',
            NEW.id, 'phase, section and line item do not belong together');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER trigger_report_tracker_position
    AFTER INSERT OR UPDATE ON project_workflow_trackers
    FOR EACH ROW EXECUTE FUNCTION report_tracker_position();

CREATE OR REPLACE FUNCTION touch_user_device() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.last_seen_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_touch_user_device
    BEFORE INSERT OR UPDATE ON user_devices
    FOR EACH ROW EXECUTE FUNCTION touch_user_device();

CREATE OR REPLACE FUNCTION complete_subtask_timestamps() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.completed_at := CASE WHEN NEW.is_completed THEN coalesce(NEW.completed_at, now()) END;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_complete_subtask_timestamps
    BEFORE INSERT OR UPDATE ON workflow_subtasks
    FOR EACH ROW EXECUTE FUNCTION complete_subtask_timestamps();

CREATE OR REPLACE FUNCTION validate_phase_override() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.from_phase = NEW.to_phase THEN
        RAISE EXCEPTION 'override %: it moves nothing', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_validate_phase_override
    BEFORE INSERT OR UPDATE ON project_phase_overrides
    FOR EACH ROW EXECUTE FUNCTION validate_phase_override();

CREATE OR REPLACE FUNCTION mark_violation_resolved() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.resolved_at := CASE WHEN NEW.resolved THEN coalesce(NEW.resolved_at, now()) END;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_mark_violation_resolved
    BEFORE UPDATE ON constraint_violations
    FOR EACH ROW EXECUTE FUNCTION mark_violation_resolved();

CREATE OR REPLACE VIEW constraint_summary AS
SELECT
    relation.relname AS table_name,
    con.conname AS constraint_name,
    CASE con.contype
        WHEN 'c' THEN 'CHECK' WHEN 'f' THEN 'FOREIGN KEY' WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE'
        ELSE con.contype::text
    END AS constraint_type,
    con.convalidated AS is_validated,
    pg_get_constraintdef(con.oid) AS definition
FROM pg_constraint AS con
JOIN pg_class AS relation ON relation.oid = con.conrelid
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE namespace.nspname = 'public';
