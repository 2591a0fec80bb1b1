/*
help: Workflow steps that could not be completed, or are completed by halves
timeout: 10s
requires: {relation: [public.workflow_audit_log, public.workflow_steps]}
max_series: 50
metrics:
  roofing_workflow_step_failed:
    type: gauge
    value: count
    labels: [problem]
    help: >-
      Number of steps; completion_failed counts the audit log's last hour, the others those whose
      is_completed, state and completed_at contradict each other
*/
-- Reads workflow_steps from end to end.
SELECT
    problems.problem AS problem,
    count(*) AS count
FROM (
    SELECT 'completion_failed' AS problem
    FROM public.workflow_audit_log
    WHERE created_at > now() - interval '1 hour'
        AND action ~* '(fail|error|reject)'
        AND (action ~* 'step' OR entity_type ~* 'step')
    UNION ALL
    SELECT
        CASE
            WHEN is_completed AND state::text IS DISTINCT FROM 'COMPLETED' THEN 'completed_without_state'
            WHEN state::text = 'COMPLETED' AND is_completed IS NOT TRUE THEN 'state_without_completed'
            WHEN is_completed AND completed_at IS NULL THEN 'completed_without_time'
        END AS problem
    FROM public.workflow_steps
) AS problems
WHERE problems.problem IS NOT NULL
GROUP BY 1
ORDER BY 1;
