/*
help: A search for projects by their words in less than 200 milliseconds
kind: benchmark
limit: 200ms
requires: {relation: [public.projects, public.idx_projects_search]}
*/
-- The index is required since the column came with it: before the migration there is nothing to search by.
SELECT
    id AS id,
    project_name AS project_name
FROM public.projects
WHERE search_vector @@ plainto_tsquery('english', 'roof')
ORDER BY id
LIMIT 20;
