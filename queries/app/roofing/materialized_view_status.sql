/*
help: When each materialized view was refreshed, as the table materialized_view_status has it
requires: {relation: public.materialized_view_status}
max_series: 500
metrics:
  roofing_matview_last_refresh_timestamp_seconds: {type: gauge, value: last_refresh, labels: [view_name], help: Unix time of the last refresh that was written down}
*/
SELECT
    view_name::text AS view_name,
    max(last_refresh) AS last_refresh
FROM public.materialized_view_status
GROUP BY 1
ORDER BY 1;
