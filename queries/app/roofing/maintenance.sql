/*
help: Maintenance that failed in the last day and has not succeeded since
requires: {relation: public.maintenance_log}
max_series: 200
metrics:
  roofing_maintenance_failed_recent:
    type: gauge
    value: count
    labels: [maintenance_type, target_name]
    help: Failures in the last 24 hours since the same maintenance of the same target last succeeded
*/
SELECT
    maintenance_type::text AS maintenance_type,
    target_name::text AS target_name,
    count(*) AS count
FROM (
    SELECT
        maintenance_type,
        target_name,
        created_at,
        failed,
        max(created_at) FILTER (WHERE NOT failed) OVER (PARTITION BY maintenance_type, target_name) AS succeeded_at
    FROM (
        SELECT
            maintenance_type,
            target_name,
            created_at,
            coalesce(status ~* '(fail|error)', false) OR error_message IS NOT NULL AS failed
        FROM public.maintenance_log
        WHERE created_at > now() - interval '24 hours'
    ) AS recent
) AS runs
WHERE failed
    AND created_at > coalesce(succeeded_at, '-infinity')
GROUP BY 1, 2
ORDER BY 1, 2;
