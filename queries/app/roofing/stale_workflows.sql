/*
help: The active projects in which nothing has moved for the longest time
interval: 5m
timeout: 10s
requires: {relation: [public.projects, public.project_workflow_trackers, public.project_workflows, public.workflow_steps]}
metrics:
  roofing_workflow_stale_seconds:
    type: gauge
    value: seconds
    labels: [project_id]
    help: Time since a step was started or completed or a phase began; the 50 longest of projects in progress
*/
SELECT
    projects.id::text AS project_id,
    extract(epoch FROM now() - greatest(max(trackers.phase_started_at), max(steps.moved_at))) AS seconds
FROM public.projects AS projects
INNER JOIN public.project_workflows AS workflows ON workflows.project_id = projects.id
LEFT JOIN public.project_workflow_trackers AS trackers ON trackers.project_id = projects.id
LEFT JOIN (
    SELECT
        workflow_id,
        greatest(max(completed_at), max(actual_start_date)) AS moved_at
    FROM public.workflow_steps
    GROUP BY workflow_id
) AS steps ON steps.workflow_id = workflows.id
WHERE projects.archived IS NOT TRUE
    AND projects.status::text = 'IN_PROGRESS'
GROUP BY projects.id
ORDER BY 2 DESC NULLS LAST, 1
LIMIT 50;
