/*
help: The position and open steps of the latest projects' workflows in less than 500 milliseconds
kind: benchmark
limit: 500ms
requires: {relation: [public.projects, public.project_workflows, public.workflow_steps, public.project_workflow_trackers]}
*/
SELECT
    project.id AS project_id,
    tracker.current_line_item_id AS current_line_item_id,
    workflow.overall_progress AS overall_progress,
    count(step.id) AS open_steps
FROM (
    SELECT id FROM public.projects ORDER BY id DESC LIMIT 20
) AS project
JOIN public.project_workflows AS workflow ON workflow.project_id = project.id
LEFT JOIN public.project_workflow_trackers AS tracker ON tracker.project_id = project.id
LEFT JOIN public.workflow_steps AS step ON step.workflow_id = workflow.id AND NOT step.is_completed
GROUP BY project.id, tracker.current_line_item_id, workflow.overall_progress
ORDER BY project.id;
