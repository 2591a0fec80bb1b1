/*
help: Failures to progress that the workflow's audit log has of the last hour
requires: {relation: public.workflow_audit_log}
max_series: 200
metrics:
  roofing_workflow_progression_failed:
    type: gauge
    value: progression_failed
    labels: [entity_type, action]
    help: Failures to move a project's workflow on in the last hour
  roofing_phase_advancement_failed:
    type: gauge
    value: phase_failed
    labels: [entity_type, action]
    help: Failures to advance a project to another phase in the last hour
*/
-- Failures to complete a step are those of step_failures.
SELECT
    entity_type::text AS entity_type,
    action::text AS action,
    nullif(count(*) FILTER (WHERE action !~* 'phase'), 0) AS progression_failed,
    nullif(count(*) FILTER (WHERE action ~* 'phase'), 0) AS phase_failed
FROM public.workflow_audit_log
WHERE created_at > now() - interval '1 hour'
    AND action ~* '(fail|error|reject)'
    AND action !~* 'step'
    AND entity_type !~* 'step'
GROUP BY 1, 2
ORDER BY 1, 2;
