/*
help: Active projects whose position in the workflow contradicts itself
interval: 5m
timeout: 10s
requires:
  relation:
    - public.projects
    - public.project_workflow_trackers
    - public.project_workflows
    - public.workflow_line_items
    - public.workflow_sections
    - public.workflow_steps
max_series: 200
metrics:
  roofing_tracker_inconsistent:
    type: gauge
    value: one
    labels: [project_id, problem]
    help: 1 for each problem of a project that is not archived and is in progress or pending
*/
-- Reads the tables of projects, trackers and steps from end to end. progress_differs allows for rounding.
SELECT
    found.project_id AS project_id,
    found.problem AS problem,
    1 AS one
FROM (
    SELECT
        projects.id::text AS project_id,
        unnest(ARRAY[
            CASE WHEN trackers.project_id IS NULL THEN 'no_tracker' END,
            CASE WHEN trackers.project_id IS NOT NULL AND trackers.current_phase_id IS NULL THEN 'no_phase' END,
            CASE WHEN trackers.project_id IS NOT NULL AND trackers.current_section_id IS NULL THEN 'no_section' END,
            CASE WHEN trackers.project_id IS NOT NULL AND trackers.current_line_item_id IS NULL THEN 'no_line_item' END,
            CASE WHEN items.section_id <> trackers.current_section_id THEN 'line_item_not_in_section' END,
            CASE WHEN sections.phase_id <> trackers.current_phase_id THEN 'section_not_in_phase' END,
            CASE WHEN abs(workflows.overall_progress - steps.progress) > 1 THEN 'progress_differs' END
        ]) AS problem
    FROM public.projects AS projects
    LEFT JOIN public.project_workflow_trackers AS trackers ON trackers.project_id = projects.id
    LEFT JOIN public.workflow_line_items AS items ON items.id = trackers.current_line_item_id
    LEFT JOIN public.workflow_sections AS sections ON sections.id = trackers.current_section_id
    LEFT JOIN public.project_workflows AS workflows ON workflows.project_id = projects.id
    LEFT JOIN (
        SELECT
            workflow_id,
            100.0 * count(*) FILTER (WHERE is_completed) / count(*) AS progress
        FROM public.workflow_steps
        GROUP BY workflow_id
    ) AS steps ON steps.workflow_id = workflows.id
    WHERE projects.archived IS NOT TRUE
        AND projects.status::text IN ('IN_PROGRESS', 'PENDING')
) AS found
WHERE found.problem IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2;
