-- Phase tracking: projects.phase follows the tracker, every move of a phase is recorded,
-- and a move backwards needs a row in project_phase_overrides.

CREATE TABLE IF NOT EXISTS phase_migration_backup (
    project_id text PRIMARY KEY,
    phase project_phases NOT NULL,
    tracker_phase_id text,
    backed_up_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO phase_migration_backup (project_id, phase, tracker_phase_id)
SELECT project.id, project.phase, tracker.current_phase_id
FROM projects AS project
LEFT JOIN project_workflow_trackers AS tracker ON tracker.project_id = project.id
ON CONFLICT (project_id) DO NOTHING;

CREATE TABLE IF NOT EXISTS phase_transitions (
    id bigserial PRIMARY KEY,
    project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    from_phase project_phases,
    to_phase project_phases NOT NULL,
    transitioned_at timestamptz NOT NULL DEFAULT now(),
    duration_in_phase interval,
    notes text
);
CREATE INDEX IF NOT EXISTS idx_phase_transitions_project ON phase_transitions (project_id, transitioned_at DESC);
CREATE INDEX IF NOT EXISTS idx_phase_transitions_phases ON phase_transitions (from_phase, to_phase);

-- The workflow consolidation has already added it.
ALTER TABLE workflow_phases ADD COLUMN is_current boolean NOT NULL DEFAULT true;

CREATE OR REPLACE FUNCTION get_project_phase(p_project_id text) RETURNS project_phases
LANGUAGE sql STABLE AS $$
    SELECT coalesce(phase.phase_type, project.phase)
    FROM projects AS project
    LEFT JOIN project_workflow_trackers AS tracker ON tracker.project_id = project.id
    LEFT JOIN workflow_phases AS phase ON phase.id = tracker.current_phase_id
    WHERE project.id = p_project_id
$$;

CREATE OR REPLACE VIEW projects_with_phase AS
SELECT
    project.id,
    project.project_number,
    project.status,
    project.archived,
    get_project_phase(project.id) AS current_phase,
    tracker.phase_started_at,
    now() - tracker.phase_started_at AS time_in_phase
FROM projects AS project
LEFT JOIN project_workflow_trackers AS tracker ON tracker.project_id = project.id;

-- At depth 1 somebody set the phase by hand; deeper it is trigger_sync_phase that follows the tracker.
CREATE OR REPLACE FUNCTION prevent_direct_phase_update() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        RAISE EXCEPTION 'the phase of project % follows its tracker: use advance_to_next_phase()', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION track_phase_transition() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO phase_transitions (project_id, from_phase, to_phase, duration_in_phase)
    SELECT NEW.project_id, previous.phase_type, next.phase_type, now() - OLD.phase_started_at
    FROM workflow_phases AS next
    LEFT JOIN workflow_phases AS previous ON previous.id = OLD.current_phase_id
    WHERE next.id = NEW.current_phase_id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_workflow_step_phases() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.template_phase_id IS NOT NULL THEN
        SELECT phase_type INTO NEW.phase FROM workflow_phases WHERE id = NEW.template_phase_id;
    END IF;
    RETURN NEW;
END
$$;

-- It reports a move backwards and lets it pass: the office decides, but it must be seen.
CREATE OR REPLACE FUNCTION validate_phase_progression() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_from project_phases;
    v_to project_phases;
BEGIN
    SELECT phase_type INTO v_from FROM workflow_phases WHERE id = OLD.current_phase_id;
    SELECT phase_type INTO v_to FROM workflow_phases WHERE id = NEW.current_phase_id;
    IF v_to < v_from AND NOT EXISTS (
        SELECT 1 FROM project_phase_overrides
        WHERE project_id = NEW.project_id AND from_phase = v_from AND to_phase = v_to AND is_active
    ) THEN
        INSERT INTO workflow_audit_log
            (entity_type, entity_id, action, old_values, new_values, project_id, notes)
        VALUES ('PROJECT', NEW.project_id, 'backward_progression_attempted',
            jsonb_build_object('phase', v_from), jsonb_build_object('phase', v_to),
            NEW.project_id, 'no override allows it');
    END IF;
    NEW.phase_started_at := now();
    RETURN NEW;
END
$$;

-- Moves the project to the first line item of the next phase; false in the last phase.
CREATE OR REPLACE FUNCTION advance_to_next_phase(p_project_id text, p_user_id text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_next record;
BEGIN
    SELECT step.*, workflow.project_id INTO v_next
    FROM project_workflow_trackers AS tracker
    JOIN project_workflows AS workflow ON workflow.id = tracker.workflow_instance_id
    JOIN workflow_phases AS current ON current.id = tracker.current_phase_id
    JOIN workflow_steps AS step ON step.workflow_id = workflow.id AND step.phase > current.phase_type
    WHERE tracker.project_id = p_project_id
    ORDER BY step.step_order
    LIMIT 1;
    IF v_next IS NULL THEN
        INSERT INTO workflow_audit_log (entity_type, entity_id, action, user_id, project_id, notes)
        VALUES ('PROJECT', p_project_id, 'phase_advancement_failed', p_user_id, p_project_id,
            'there is no later phase with a step');
        RETURN false;
    END IF;
    UPDATE project_workflow_trackers
    SET current_phase_id = v_next.template_phase_id,
        current_section_id = v_next.template_section_id,
        current_line_item_id = v_next.template_line_item_id,
        current_step_id = v_next.id,
        updated_at = now()
    WHERE project_id = p_project_id;
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION get_phase_statistics()
RETURNS TABLE (phase project_phases, project_count bigint, average_time_in_phase interval)
LANGUAGE sql STABLE AS $$
    SELECT current_phase, count(*), avg(time_in_phase)
    FROM projects_with_phase
    WHERE NOT archived
    GROUP BY current_phase
    ORDER BY current_phase
$$;

CREATE TRIGGER trigger_prevent_direct_phase_update
    BEFORE UPDATE ON projects
    FOR EACH ROW WHEN (OLD.phase IS DISTINCT FROM NEW.phase)
    EXECUTE FUNCTION prevent_direct_phase_update();

CREATE TRIGGER trigger_validate_phase_progression
    BEFORE UPDATE ON project_workflow_trackers
    FOR EACH ROW WHEN (OLD.current_phase_id IS DISTINCT FROM NEW.current_phase_id)
    EXECUTE FUNCTION validate_phase_progression();

CREATE TRIGGER trigger_track_phase_transition
    AFTER UPDATE ON project_workflow_trackers
    FOR EACH ROW WHEN (OLD.current_phase_id IS DISTINCT FROM NEW.current_phase_id)
    EXECUTE FUNCTION track_phase_transition();

CREATE TRIGGER trigger_sync_workflow_step_phases
    BEFORE INSERT OR UPDATE ON workflow_steps
    FOR EACH ROW EXECUTE FUNCTION sync_workflow_step_phases();

COMMENT ON VIEW projects_with_phase IS 'Each project with the phase its tracker stands in';
