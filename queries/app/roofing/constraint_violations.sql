/*
help: Violations of constraints and business rules that the application has logged and nobody has resolved
interval: 15s
requires: {relation: public.constraint_violations}
max_series: 500
metrics:
  roofing_constraint_violations_unresolved:
    type: gauge
    value: count
    labels: [table_name, constraint_name, violation_type]
    help: Number of unresolved rows of constraint_violations
*/
SELECT
    table_name::text AS table_name,
    constraint_name::text AS constraint_name,
    violation_type::text AS violation_type,
    count(*) AS count
FROM public.constraint_violations
WHERE resolved IS NOT TRUE
GROUP BY 1, 2, 3
ORDER BY 4 DESC, 1, 2, 3;
