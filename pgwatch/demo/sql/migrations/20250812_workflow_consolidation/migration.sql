-- Workflow consolidation: the template tables and the project's steps become one model,
-- and the tracker is the single source of truth for a project's position.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'workflow_state') THEN
        CREATE TYPE workflow_state AS ENUM
            ('PENDING', 'ACTIVE', 'IN_PROGRESS', 'BLOCKED', 'COMPLETED', 'SKIPPED');
    END IF;
END
$$;

ALTER TABLE workflow_phases
    ADD COLUMN IF NOT EXISTS version integer NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS is_current boolean NOT NULL DEFAULT true;
ALTER TABLE workflow_sections
    ADD COLUMN IF NOT EXISTS version integer NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS is_current boolean NOT NULL DEFAULT true;
ALTER TABLE workflow_line_items
    ADD COLUMN IF NOT EXISTS version integer NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS is_current boolean NOT NULL DEFAULT true;

ALTER TABLE workflow_steps
    ADD COLUMN IF NOT EXISTS template_phase_id text,
    ADD COLUMN IF NOT EXISTS template_section_id text,
    ADD COLUMN IF NOT EXISTS template_line_item_id text,
    ADD COLUMN IF NOT EXISTS state workflow_state NOT NULL DEFAULT 'PENDING';

ALTER TABLE project_workflow_trackers
    ADD COLUMN IF NOT EXISTS current_step_id text,
    ADD COLUMN IF NOT EXISTS workflow_instance_id text;

CREATE TABLE IF NOT EXISTS workflow_audit_log (
    id bigserial PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    action text NOT NULL,
    old_values jsonb,
    new_values jsonb,
    user_id text,
    project_id text,
    workflow_id text,
    notes text
);

-- Fill the new columns from what the application knew by name.

UPDATE workflow_steps AS step
SET template_line_item_id = item.id,
    template_section_id = section.id,
    template_phase_id = section.phase_id
FROM workflow_line_items AS item
JOIN workflow_sections AS section ON section.id = item.section_id
WHERE item.id = step.step_id
    AND step.template_line_item_id IS NULL;

UPDATE workflow_steps AS step
SET state = CASE
        WHEN step.is_completed THEN 'COMPLETED'::workflow_state
        WHEN step.step_order = workflow.current_step_index + 1 THEN 'IN_PROGRESS'::workflow_state
        ELSE 'PENDING'::workflow_state
    END
FROM project_workflows AS workflow
WHERE workflow.id = step.workflow_id;

UPDATE project_workflow_trackers AS tracker
SET workflow_instance_id = workflow.id,
    current_step_id = step.id
FROM project_workflows AS workflow
JOIN workflow_steps AS step
    ON step.workflow_id = workflow.id AND step.step_order = workflow.current_step_index + 1
WHERE workflow.project_id = tracker.project_id;

ALTER TABLE workflow_steps
    ADD CONSTRAINT fk_workflow_step_template_phase
        FOREIGN KEY (template_phase_id) REFERENCES workflow_phases (id) ON DELETE SET NULL,
    ADD CONSTRAINT fk_workflow_step_template_section
        FOREIGN KEY (template_section_id) REFERENCES workflow_sections (id) ON DELETE SET NULL,
    ADD CONSTRAINT fk_workflow_step_template_line_item
        FOREIGN KEY (template_line_item_id) REFERENCES workflow_line_items (id) ON DELETE SET NULL;

ALTER TABLE project_workflow_trackers
    ADD CONSTRAINT fk_tracker_current_step
        FOREIGN KEY (current_step_id) REFERENCES workflow_steps (id) ON DELETE SET NULL,
    ADD CONSTRAINT fk_tracker_workflow_instance
        FOREIGN KEY (workflow_instance_id) REFERENCES project_workflows (id) ON DELETE SET NULL;

CREATE INDEX IF NOT EXISTS idx_workflow_steps_template_phase ON workflow_steps (template_phase_id);
CREATE INDEX IF NOT EXISTS idx_workflow_steps_template_section ON workflow_steps (template_section_id);
CREATE INDEX IF NOT EXISTS idx_workflow_steps_template_line_item ON workflow_steps (template_line_item_id);
CREATE INDEX IF NOT EXISTS idx_workflow_steps_state ON workflow_steps (state);
CREATE INDEX IF NOT EXISTS idx_workflow_steps_workflow_state ON workflow_steps (workflow_id, state);
CREATE INDEX IF NOT EXISTS idx_trackers_current_step ON project_workflow_trackers (current_step_id);
CREATE INDEX IF NOT EXISTS idx_trackers_workflow_instance ON project_workflow_trackers (workflow_instance_id);
CREATE INDEX IF NOT EXISTS idx_workflow_audit_log_entity ON workflow_audit_log (entity_type, entity_id);
CREATE INDEX IF NOT EXISTS idx_workflow_audit_log_created ON workflow_audit_log (created_at DESC);

CREATE OR REPLACE VIEW workflow_status_view AS
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

-- A step is completed exactly when its state says so; the old application still sets the boolean.
CREATE OR REPLACE FUNCTION ensure_workflow_consistency() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.is_completed AND NOT OLD.is_completed THEN
        NEW.state := 'COMPLETED';
    END IF;
    NEW.is_completed := NEW.state = 'COMPLETED';
    IF NEW.is_completed AND NEW.completed_at IS NULL THEN
        NEW.completed_at := now();
    ELSIF NOT NEW.is_completed THEN
        NEW.completed_at := NULL;
    END IF;
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION sync_project_phase() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE projects AS project
    SET phase = phase.phase_type, updated_at = now()
    FROM workflow_phases AS phase
    WHERE project.id = NEW.project_id
        AND phase.id = NEW.current_phase_id
        AND project.phase <> phase.phase_type;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION validate_workflow_state_transition() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'COMPLETED' AND NEW.state = 'PENDING' THEN
        RAISE EXCEPTION 'step % is completed and cannot become pending', OLD.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

-- Completes the project's current step and moves its tracker to the next one; false when it cannot.
CREATE OR REPLACE FUNCTION progress_to_next_workflow_step(p_project_id text, p_user_id text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_tracker project_workflow_trackers%ROWTYPE;
    v_step workflow_steps%ROWTYPE;
    v_next workflow_steps%ROWTYPE;
BEGIN
    SELECT * INTO v_tracker FROM project_workflow_trackers WHERE project_id = p_project_id FOR UPDATE;
    SELECT * INTO v_step FROM workflow_steps WHERE id = v_tracker.current_step_id;
    IF v_step.id IS NULL OR v_step.state = 'BLOCKED' THEN
        INSERT INTO workflow_audit_log (entity_type, entity_id, action, user_id, project_id, workflow_id, notes)
        VALUES ('PROJECT', p_project_id, 'progression_failed', p_user_id, p_project_id,
            v_tracker.workflow_instance_id, coalesce('step ' || v_step.id || ' is blocked', 'no current step'));
        RETURN false;
    END IF;
    UPDATE workflow_steps SET state = 'COMPLETED', completed_by_id = p_user_id WHERE id = v_step.id;
    UPDATE project_workflows
    SET overall_progress = (
            SELECT round(100.0 * count(*) FILTER (WHERE is_completed) / count(*))
            FROM workflow_steps WHERE workflow_id = v_step.workflow_id
        ),
        updated_at = now()
    WHERE id = v_step.workflow_id;
    SELECT * INTO v_next FROM workflow_steps
    WHERE workflow_id = v_step.workflow_id AND NOT is_completed
    ORDER BY step_order LIMIT 1;
    IF v_next.id IS NULL THEN
        UPDATE project_workflows SET status = 'COMPLETED' WHERE id = v_step.workflow_id;
        UPDATE projects SET status = 'COMPLETED', progress = 100, updated_at = now() WHERE id = p_project_id;
        RETURN false;
    END IF;
    UPDATE workflow_steps SET state = 'IN_PROGRESS', actual_start_date = current_date WHERE id = v_next.id;
    UPDATE project_workflows SET current_step_index = v_next.step_order - 1 WHERE id = v_step.workflow_id;
    UPDATE project_workflow_trackers
    SET current_step_id = v_next.id,
        current_phase_id = v_next.template_phase_id,
        current_section_id = v_next.template_section_id,
        current_line_item_id = v_next.template_line_item_id,
        last_completed_item_id = v_step.template_line_item_id,
        updated_at = now()
    WHERE id = v_tracker.id;
    RETURN true;
END
$$;

CREATE TRIGGER trigger_workflow_consistency
    BEFORE INSERT OR UPDATE ON workflow_steps
    FOR EACH ROW EXECUTE FUNCTION ensure_workflow_consistency();

CREATE TRIGGER trigger_sync_phase
    AFTER UPDATE ON project_workflow_trackers
    FOR EACH ROW WHEN (OLD.current_phase_id IS DISTINCT FROM NEW.current_phase_id)
    EXECUTE FUNCTION sync_project_phase();

CREATE TRIGGER trigger_validate_state
    BEFORE UPDATE ON workflow_steps
    FOR EACH ROW EXECUTE FUNCTION validate_workflow_state_transition();

COMMENT ON TABLE workflow_audit_log IS 'What happened to workflows, written by triggers and functions';
