/*
help: The dashboard, all active projects with their progress, in less than 2 seconds
kind: benchmark
limit: 2s
requires: {relation: public.project_dashboard_summary}
*/
-- Whatever columns the view has: what the page costs does not hang on their names.
SELECT * FROM public.project_dashboard_summary;
