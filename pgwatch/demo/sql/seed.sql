-- About nine thousand rows, the same at every run. Three users have no valid e-mail address, one project
-- a negative budget and one device token appears twice: the migrations stumble over them.

INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count)
SELECT md5(name)::uuid, md5(name) || md5(name), started + interval '2 seconds', name, started, 1
FROM (VALUES
    ('20250603101500_init', timestamptz '2025-06-03 10:15:00+00'),
    ('20250624083000_workflow_templates', timestamptz '2025-06-24 08:30:00+00'),
    ('20250715140000_phase_overrides', timestamptz '2025-07-15 14:00:00+00')
) AS applied (name, started);

INSERT INTO users (id, email, first_name, last_name, phone, role, position, created_at)
SELECT 'usr_' || lpad(n::text, 3, '0'),
    CASE n
        WHEN 7 THEN 'dana.price@'
        WHEN 16 THEN 'lee foster@roofing.example'
        WHEN 23 THEN 'unknown'
        ELSE lower((ARRAY['ana', 'ben', 'carl', 'dana', 'eve'])[n % 5 + 1]) || n || '@roofing.example'
    END,
    (ARRAY['Ana', 'Ben', 'Carl', 'Dana', 'Eve'])[n % 5 + 1],
    (ARRAY['Price', 'Foster', 'Hale', 'Ortiz', 'Young', 'Stone'])[n % 6 + 1],
    '+1 555 01' || lpad(n::text, 2, '0'),
    (ARRAY['ADMIN', 'PROJECT_MANAGER', 'FIELD_DIRECTOR', 'OFFICE', 'WORKER'])[n % 5 + 1],
    'Crew ' || n % 4,
    timestamptz '2025-06-03 12:00:00+00' + n * interval '7 hours'
FROM generate_series(1, 30) AS n;

INSERT INTO role_assignments (id, user_id, role_type)
SELECT 'rol_' || id, id, role FROM users;

INSERT INTO user_sessions (id, user_id, token_hash, expires_at)
SELECT 'ses_' || n, 'usr_' || lpad((n % 30 + 1)::text, 3, '0'), md5('session' || n), now() + interval '1 day'
FROM generate_series(1, 90) AS n;

INSERT INTO user_devices (id, user_id, device_token, device_name, platform)
SELECT 'dev_' || lpad(n::text, 3, '0'), 'usr_' || lpad((n % 30 + 1)::text, 3, '0'),
    md5('device' || CASE n WHEN 41 THEN 40 ELSE n END), 'Device ' || n,
    (ARRAY['web', 'ios', 'android'])[n % 3 + 1]
FROM generate_series(1, 75) AS n;

INSERT INTO user_mfa (id, user_id, method, secret_hash)
SELECT 'mfa_' || id, id, 'TOTP', md5('mfa' || id) FROM users WHERE role IN ('ADMIN', 'PROJECT_MANAGER');

INSERT INTO user_behavior_patterns (id, user_id, pattern, risk_score)
SELECT 'beh_' || id, id, 'office hours', 10 FROM users;

INSERT INTO webauthn_credentials (id, user_id, credential_id)
SELECT 'wan_' || id, id, md5('credential' || id) FROM users WHERE role = 'ADMIN';

INSERT INTO security_events (id, user_id, event_type)
SELECT 'sec_' || n, 'usr_' || lpad((n % 30 + 1)::text, 3, '0'), (ARRAY['LOGIN', 'LOGOUT', 'MFA'])[n % 3 + 1]
FROM generate_series(1, 200) AS n;

INSERT INTO system_settings (key, value)
VALUES ('company', 'Ridge & Gutter Roofing'), ('timezone', 'America/Denver'), ('alerts.enabled', 'true');

INSERT INTO customers (id, primary_name, primary_email, primary_phone, address)
SELECT 'cus_' || lpad(n::text, 4, '0'), 'Customer ' || n, 'customer' || n || '@mail.example',
    '+1 555 02' || lpad((n % 100)::text, 2, '0'), n || ' Shingle Street'
FROM generate_series(1, 120) AS n;

INSERT INTO contacts (id, customer_id, name, email, phone)
SELECT 'con_' || lpad(n::text, 4, '0'), 'cus_' || lpad((n % 120 + 1)::text, 4, '0'), 'Contact ' || n,
    'contact' || n || '@mail.example', '+1 555 03' || lpad((n % 100)::text, 2, '0')
FROM generate_series(1, 240) AS n;

INSERT INTO workflow_phases (id, phase_type, phase_name, display_order)
SELECT 'pha_' || n, type, initcap(replace(type::text, '_', ' ')), n
FROM unnest(enum_range(NULL::project_phases)) WITH ORDINALITY AS phase (type, n);

INSERT INTO workflow_sections (id, phase_id, section_name, display_name, display_order)
SELECT 'sct_' || lpad(n::text, 2, '0'), 'pha_' || (n - 1) / 3 + 1, 'section_' || n,
    (ARRAY['Paperwork', 'Site visit', 'Sign-off'])[(n - 1) % 3 + 1], n
FROM generate_series(1, 18) AS n;

INSERT INTO workflow_line_items (id, section_id, item_letter, item_name, display_order)
SELECT 'itm_' || lpad(n::text, 2, '0'), 'sct_' || lpad(((n - 1) / 4 + 1)::text, 2, '0'),
    chr(97 + (n - 1) % 4),
    (ARRAY['Prepare', 'Call', 'Inspect', 'Record'])[(n - 1) % 4 + 1] || ' item ' || n, n
FROM generate_series(1, 72) AS n;

-- A project has ten steps, `done` of them completed: 0 is pending, 10 is over. Step n is line item 7n - 6.
CREATE TEMPORARY TABLE seeded_project AS
SELECT n, lpad(n::text, 4, '0') AS number, n % 11 AS done, least(n % 11 + 1, 10) AS current_step
FROM generate_series(1, 180) AS n;

INSERT INTO projects (id, project_number, project_name, project_type, status, priority, phase, progress,
    budget, estimated_cost, actual_cost, start_date, end_date, archived, customer_id, project_manager_id, description)
SELECT 'prj_' || number, 10000 + n, 'Roof of ' || n || ' Shingle Street',
    (ARRAY['ROOF_REPLACEMENT', 'REPAIR', 'GUTTERS', 'SIDING'])[n % 4 + 1],
    CASE done WHEN 0 THEN 'PENDING' WHEN 10 THEN 'COMPLETED' ELSE 'IN_PROGRESS' END,
    (ARRAY['LOW', 'MEDIUM', 'HIGH'])[n % 3 + 1],
    (enum_range(NULL::project_phases))[(current_step * 7 - 7) / 12 + 1],
    done * 10,
    CASE n WHEN 66 THEN -2500 ELSE 8000 + n * 37.5 END, 7000 + n * 31.25, 600 * done + n,
    date '2025-05-01' + n, date '2025-09-01' + n, done = 10 AND n % 2 = 0,
    'cus_' || lpad((n % 120 + 1)::text, 4, '0'), 'usr_' || lpad((n % 30 + 1)::text, 3, '0'),
    'Replace the shingles and the flashing of house number ' || n
FROM seeded_project;

INSERT INTO project_team_members (id, project_id, user_id)
SELECT 'mem_' || number || '_' || k, 'prj_' || number, 'usr_' || lpad(((n + k * 7) % 30 + 1)::text, 3, '0')
FROM seeded_project CROSS JOIN generate_series(1, 3) AS k;

INSERT INTO tasks (id, project_id, title, description, status, assigned_to_id, estimated_hours, due_date)
SELECT 'tsk_' || number || '_' || k, 'prj_' || number, 'Task ' || k || ' of project ' || n,
    'Order the material and tell the crew', (ARRAY['TO_DO', 'IN_PROGRESS', 'DONE'])[(n + k) % 3 + 1],
    'usr_' || lpad(((n + k) % 30 + 1)::text, 3, '0'), k * 1.5, date '2025-08-01' + n + k
FROM seeded_project CROSS JOIN generate_series(1, 4) AS k;

INSERT INTO task_dependencies (id, task_id, depends_on_id)
SELECT 'tdp_' || number || '_' || k, 'tsk_' || number || '_' || k, 'tsk_' || number || '_' || k - 1
FROM seeded_project CROSS JOIN generate_series(2, 3) AS k;

INSERT INTO suppliers (id, name, email)
SELECT 'sup_' || n, 'Supplier ' || n, 'orders@supplier' || n || '.example' FROM generate_series(1, 8) AS n;

INSERT INTO material_orders (id, project_id, supplier_id, material, amount)
SELECT 'mat_' || number, 'prj_' || number, 'sup_' || n % 8 + 1, 'Shingles', 900 + n FROM seeded_project;

INSERT INTO documents (id, project_id, uploaded_by_id, title, file_url, file_size)
SELECT 'doc_' || number || '_' || k, 'prj_' || number, 'usr_' || lpad((n % 30 + 1)::text, 3, '0'),
    (ARRAY['Contract', 'Photos'])[k], 'https://files.roofing.example/' || n || '/' || k || '.pdf', 1000 * n + k
FROM seeded_project CROSS JOIN generate_series(1, 2) AS k;

INSERT INTO document_downloads (id, document_id, user_id)
SELECT 'dow_' || number, 'doc_' || number || '_1', 'usr_' || lpad((n % 30 + 1)::text, 3, '0') FROM seeded_project;

INSERT INTO calendar_events (id, project_id, organizer_id, title, start_time, end_time)
SELECT 'cal_' || number, 'prj_' || number, 'usr_' || lpad((n % 30 + 1)::text, 3, '0'), 'Site visit',
    timestamptz '2025-08-01 15:00:00+00' + n * interval '1 day',
    timestamptz '2025-08-01 16:00:00+00' + n * interval '1 day'
FROM seeded_project;

INSERT INTO calendar_event_attendees (event_id, user_id)
SELECT 'cal_' || number, 'usr_' || lpad((n % 30 + 1)::text, 3, '0') FROM seeded_project;

INSERT INTO conversations (id, title)
SELECT 'cnv_' || n, 'Crew ' || n FROM generate_series(1, 40) AS n;

INSERT INTO conversation_participants (conversation_id, user_id)
SELECT 'cnv_' || n, 'usr_' || lpad(((n + k) % 30 + 1)::text, 3, '0')
FROM generate_series(1, 40) AS n CROSS JOIN generate_series(1, 3) AS k;

INSERT INTO messages (id, conversation_id, sender_id, content)
SELECT 'msg_' || n, 'cnv_' || n % 40 + 1, 'usr_' || lpad((n % 30 + 1)::text, 3, '0'), 'The delivery is at ' || n % 12 + 1
FROM generate_series(1, 800) AS n;

INSERT INTO message_reads (message_id, user_id)
SELECT 'msg_' || n, 'usr_' || lpad((n % 29 + 1)::text, 3, '0') FROM generate_series(1, 800) AS n;

INSERT INTO project_messages (id, project_id, author_id, subject, content)
SELECT 'pms_' || number || '_' || k, 'prj_' || number, 'usr_' || lpad((n % 30 + 1)::text, 3, '0'),
    'Update ' || k, 'The north side is done'
FROM seeded_project CROSS JOIN generate_series(1, 2) AS k;

INSERT INTO notifications (id, recipient_id, title, message, is_read)
SELECT 'not_' || n, 'usr_' || lpad((n % 30 + 1)::text, 3, '0'), 'Step due', 'A step of yours is due', n % 4 > 0
FROM generate_series(1, 900) AS n;

INSERT INTO project_workflows (id, project_id, status, current_step_index, overall_progress)
SELECT 'wfl_' || number, 'prj_' || number, CASE done WHEN 10 THEN 'COMPLETED' ELSE 'IN_PROGRESS' END,
    current_step - 1, done * 10
FROM seeded_project;

INSERT INTO workflow_steps (id, workflow_id, step_id, step_name, phase, is_completed, completed_at, completed_by_id,
    assigned_to_id, step_order, dependencies, scheduled_start_date, scheduled_end_date, actual_start_date)
SELECT 'stp_' || number || '_' || lpad(k::text, 2, '0'), 'wfl_' || number, item.id, item.item_name,
    (enum_range(NULL::project_phases))[(k * 7 - 7) / 12 + 1],
    k <= done, CASE WHEN k <= done THEN timestamptz '2025-06-01 09:00:00+00' + (n + k) * interval '1 day' END,
    CASE WHEN k <= done THEN 'usr_' || lpad((n % 30 + 1)::text, 3, '0') END,
    'usr_' || lpad(((n + k) % 30 + 1)::text, 3, '0'), k,
    CASE WHEN k > 1 THEN ARRAY['stp_' || number || '_' || lpad((k - 1)::text, 2, '0')] ELSE '{}' END,
    date '2025-05-31' + n + k, date '2025-06-02' + n + k, CASE WHEN k <= done + 1 THEN date '2025-05-31' + n + k END
FROM seeded_project
CROSS JOIN generate_series(1, 10) AS k
JOIN workflow_line_items AS item ON item.display_order = k * 7 - 6;

INSERT INTO workflow_subtasks (id, step_id, subtask_name, is_completed, completed_at)
SELECT 'sub_' || id, id, 'Take photos', is_completed, completed_at FROM workflow_steps WHERE step_order <= 3;

INSERT INTO workflow_alerts (id, project_id, workflow_id, step_id, title, due_date, assigned_to_id)
SELECT 'alr_' || number, 'prj_' || number, 'wfl_' || number,
    'stp_' || number || '_' || lpad(current_step::text, 2, '0'), 'Step due', date '2025-08-20' + n,
    'usr_' || lpad((n % 30 + 1)::text, 3, '0')
FROM seeded_project WHERE done < 10;

INSERT INTO project_workflow_trackers (id, project_id, current_phase_id, current_section_id, current_line_item_id,
    last_completed_item_id)
SELECT 'trk_' || number, 'prj_' || number, section.phase_id, section.id, item.id, previous.id
FROM seeded_project
JOIN workflow_line_items AS item ON item.display_order = current_step * 7 - 6
JOIN workflow_sections AS section ON section.id = item.section_id
LEFT JOIN workflow_line_items AS previous ON previous.display_order = done * 7 - 6;

INSERT INTO completed_workflow_items (id, tracker_id, line_item_id, completed_by_id, completed_at)
SELECT 'cmp_' || step.id, tracker.id, step.step_id, step.completed_by_id, step.completed_at
FROM workflow_steps AS step
JOIN project_workflows AS workflow ON workflow.id = step.workflow_id
JOIN project_workflow_trackers AS tracker ON tracker.project_id = workflow.project_id
WHERE step.is_completed;

INSERT INTO project_phase_overrides (id, project_id, from_phase, to_phase, reason, overridden_by_id)
VALUES ('ovr_1', 'prj_0005', 'APPROVED', 'PROSPECT', 'Insurance asked for a second inspection', 'usr_002');

DROP TABLE seeded_project;
ANALYZE;
