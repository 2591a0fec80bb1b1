/*
help: The dashboard, all active projects with their progress, in less than 2 seconds
kind: benchmark
limit: 2s
requires: {relation: public.project_dashboard_summary}
*/
SELECT
    id AS id,
    project_number AS project_number,
    status AS status,
    phase AS phase,
    progress AS progress,
    overall_progress AS overall_progress,
    customer_name AS customer_name,
    task_count AS task_count,
    completed_task_count AS completed_task_count
FROM public.project_dashboard_summary
ORDER BY project_number;
