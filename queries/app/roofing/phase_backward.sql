/*
help: Projects whose phase moved backwards in the last hour without an override that allows it
requires: {relation: public.workflow_audit_log}
max_series: 200
metrics:
  roofing_phase_backward_attempts_recent:
    type: gauge
    value: count
    labels: [project_id]
    help: Times in the last hour that the project's phase moved backwards without an override
*/
SELECT
    coalesce(project_id::text, entity_id::text) AS project_id,
    count(*) AS count
FROM public.workflow_audit_log
WHERE created_at > now() - interval '1 hour'
    AND action = 'backward_progression_attempted'
GROUP BY 1
ORDER BY 2 DESC, 1;
