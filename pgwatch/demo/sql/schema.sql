-- The roofing application's database as it was before the five migrations of 2025-08-12.
-- Types are deliberately the loose ones (text, numeric) that the migrations tighten.

CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

CREATE TYPE project_phases AS ENUM
    ('LEAD', 'PROSPECT', 'APPROVED', 'EXECUTION', 'SECOND_SUPPLEMENT', 'COMPLETION');

CREATE TABLE _prisma_migrations (
    id varchar(36) PRIMARY KEY,
    checksum varchar(64) NOT NULL,
    finished_at timestamptz,
    migration_name varchar(255) NOT NULL,
    logs text,
    rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count integer NOT NULL DEFAULT 0
);

-- People and customers

CREATE TABLE users (
    id text PRIMARY KEY,
    email text NOT NULL UNIQUE,
    first_name text NOT NULL,
    last_name text NOT NULL,
    phone text,
    role text NOT NULL DEFAULT 'WORKER',
    position text,
    notification_preferences jsonb NOT NULL DEFAULT '{"email": true, "push": true}',
    is_active boolean NOT NULL DEFAULT true,
    last_login_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE role_assignments (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users (id),
    role_type text NOT NULL,
    assigned_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE user_sessions (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users (id),
    token_hash text NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE user_devices (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users (id),
    device_token text NOT NULL,
    device_name text,
    platform text NOT NULL DEFAULT 'web',
    is_trusted boolean NOT NULL DEFAULT false,
    last_seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE user_mfa (
    id text PRIMARY KEY,
    user_id text NOT NULL UNIQUE REFERENCES users (id),
    method text NOT NULL,
    secret_hash text NOT NULL,
    failed_attempts integer NOT NULL DEFAULT 0,
    enabled boolean NOT NULL DEFAULT true
);

CREATE TABLE user_behavior_patterns (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users (id),
    pattern text NOT NULL,
    risk_score numeric NOT NULL DEFAULT 0,
    observed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE webauthn_credentials (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users (id),
    credential_id text NOT NULL UNIQUE,
    sign_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE security_events (
    id text PRIMARY KEY,
    user_id text REFERENCES users (id),
    event_type text NOT NULL,
    risk_level text NOT NULL DEFAULT 'LOW',
    details jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE system_settings (
    key text PRIMARY KEY,
    value text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE customers (
    id text PRIMARY KEY,
    primary_name text NOT NULL,
    primary_email text,
    primary_phone text,
    address text NOT NULL,
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE contacts (
    id text PRIMARY KEY,
    customer_id text NOT NULL REFERENCES customers (id),
    name text NOT NULL,
    email text,
    phone text,
    relation text NOT NULL DEFAULT 'OWNER'
);

-- Projects and what belongs to them

CREATE TABLE projects (
    id text PRIMARY KEY,
    project_number integer NOT NULL UNIQUE,
    project_name text NOT NULL,
    project_type text NOT NULL,
    status text NOT NULL DEFAULT 'PENDING',
    priority text NOT NULL DEFAULT 'MEDIUM',
    phase project_phases NOT NULL DEFAULT 'LEAD',
    progress integer NOT NULL DEFAULT 0,
    budget numeric,
    estimated_cost numeric,
    actual_cost numeric,
    start_date date,
    end_date date,
    archived boolean NOT NULL DEFAULT false,
    customer_id text NOT NULL REFERENCES customers (id),
    project_manager_id text REFERENCES users (id),
    description text,
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE project_team_members (
    id text PRIMARY KEY,
    project_id text NOT NULL REFERENCES projects (id),
    user_id text NOT NULL REFERENCES users (id),
    role text NOT NULL DEFAULT 'MEMBER',
    joined_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, user_id)
);

CREATE TABLE tasks (
    id text PRIMARY KEY,
    project_id text NOT NULL REFERENCES projects (id),
    title text NOT NULL,
    description text,
    status text NOT NULL DEFAULT 'TO_DO',
    priority text NOT NULL DEFAULT 'MEDIUM',
    assigned_to_id text REFERENCES users (id),
    estimated_hours numeric,
    due_date date,
    completed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE task_dependencies (
    id text PRIMARY KEY,
    task_id text NOT NULL REFERENCES tasks (id),
    depends_on_id text NOT NULL REFERENCES tasks (id),
    UNIQUE (task_id, depends_on_id)
);

CREATE TABLE suppliers (
    id text PRIMARY KEY,
    name text NOT NULL,
    email text
);

CREATE TABLE material_orders (
    id text PRIMARY KEY,
    project_id text NOT NULL REFERENCES projects (id),
    supplier_id text NOT NULL REFERENCES suppliers (id),
    material text NOT NULL,
    amount numeric NOT NULL,
    ordered_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE documents (
    id text PRIMARY KEY,
    project_id text REFERENCES projects (id),
    uploaded_by_id text REFERENCES users (id),
    title text NOT NULL,
    description text,
    file_url text NOT NULL,
    file_size bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE document_downloads (
    id text PRIMARY KEY,
    document_id text NOT NULL REFERENCES documents (id),
    user_id text NOT NULL REFERENCES users (id),
    downloaded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE calendar_events (
    id text PRIMARY KEY,
    project_id text REFERENCES projects (id),
    organizer_id text NOT NULL REFERENCES users (id),
    title text NOT NULL,
    start_time timestamptz NOT NULL,
    end_time timestamptz NOT NULL
);

CREATE TABLE calendar_event_attendees (
    event_id text NOT NULL REFERENCES calendar_events (id),
    user_id text NOT NULL REFERENCES users (id),
    PRIMARY KEY (event_id, user_id)
);

-- Messages

CREATE TABLE conversations (
    id text PRIMARY KEY,
    title text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE conversation_participants (
    conversation_id text NOT NULL REFERENCES conversations (id),
    user_id text NOT NULL REFERENCES users (id),
    PRIMARY KEY (conversation_id, user_id)
);

CREATE TABLE messages (
    id text PRIMARY KEY,
    conversation_id text NOT NULL REFERENCES conversations (id),
    sender_id text NOT NULL REFERENCES users (id),
    content text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE message_reads (
    message_id text NOT NULL REFERENCES messages (id),
    user_id text NOT NULL REFERENCES users (id),
    read_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, user_id)
);

CREATE TABLE project_messages (
    id text PRIMARY KEY,
    project_id text NOT NULL REFERENCES projects (id),
    author_id text REFERENCES users (id),
    subject text NOT NULL,
    content text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE notifications (
    id text PRIMARY KEY,
    recipient_id text NOT NULL REFERENCES users (id),
    title text NOT NULL,
    message text NOT NULL,
    is_read boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The workflow: its template ...

CREATE TABLE workflow_phases (
    id text PRIMARY KEY,
    phase_type project_phases NOT NULL UNIQUE,
    phase_name text NOT NULL,
    display_order integer NOT NULL,
    is_active boolean NOT NULL DEFAULT true
);

CREATE TABLE workflow_sections (
    id text PRIMARY KEY,
    phase_id text NOT NULL REFERENCES workflow_phases (id),
    section_name text NOT NULL,
    display_name text NOT NULL,
    display_order integer NOT NULL,
    is_active boolean NOT NULL DEFAULT true
);

CREATE TABLE workflow_line_items (
    id text PRIMARY KEY,
    section_id text NOT NULL REFERENCES workflow_sections (id),
    item_letter text NOT NULL,
    item_name text NOT NULL,
    responsible_role text NOT NULL DEFAULT 'PROJECT_MANAGER',
    alert_days integer NOT NULL DEFAULT 3,
    display_order integer NOT NULL,
    is_active boolean NOT NULL DEFAULT true
);

-- ... and its instances

CREATE TABLE project_workflows (
    id text PRIMARY KEY,
    project_id text NOT NULL UNIQUE REFERENCES projects (id),
    workflow_type text NOT NULL DEFAULT 'ROOFING',
    status text NOT NULL DEFAULT 'IN_PROGRESS',
    current_step_index integer NOT NULL DEFAULT 0,
    overall_progress integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE workflow_steps (
    id text PRIMARY KEY,
    workflow_id text NOT NULL REFERENCES project_workflows (id),
    step_id text NOT NULL,
    step_name text NOT NULL,
    phase project_phases NOT NULL,
    is_completed boolean NOT NULL DEFAULT false,
    completed_at timestamptz,
    completed_by_id text REFERENCES users (id),
    assigned_to_id text REFERENCES users (id),
    step_order integer NOT NULL,
    estimated_duration integer NOT NULL DEFAULT 1,
    alert_days integer NOT NULL DEFAULT 3,
    dependencies text[] NOT NULL DEFAULT '{}',
    scheduled_start_date date,
    scheduled_end_date date,
    actual_start_date date,
    actual_end_date date,
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workflow_id, step_order)
);

CREATE TABLE workflow_subtasks (
    id text PRIMARY KEY,
    step_id text NOT NULL REFERENCES workflow_steps (id),
    subtask_name text NOT NULL,
    is_completed boolean NOT NULL DEFAULT false,
    completed_at timestamptz
);

CREATE TABLE workflow_alerts (
    id text PRIMARY KEY,
    project_id text NOT NULL REFERENCES projects (id),
    workflow_id text NOT NULL REFERENCES project_workflows (id),
    step_id text REFERENCES workflow_steps (id),
    status text NOT NULL DEFAULT 'ACTIVE',
    priority text NOT NULL DEFAULT 'MEDIUM',
    title text NOT NULL,
    due_date date,
    assigned_to_id text REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE project_workflow_trackers (
    id text PRIMARY KEY,
    project_id text NOT NULL UNIQUE REFERENCES projects (id),
    current_phase_id text REFERENCES workflow_phases (id),
    current_section_id text REFERENCES workflow_sections (id),
    current_line_item_id text REFERENCES workflow_line_items (id),
    last_completed_item_id text REFERENCES workflow_line_items (id),
    phase_started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE completed_workflow_items (
    id text PRIMARY KEY,
    tracker_id text NOT NULL REFERENCES project_workflow_trackers (id),
    line_item_id text NOT NULL REFERENCES workflow_line_items (id),
    completed_by_id text REFERENCES users (id),
    completed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE project_phase_overrides (
    id text PRIMARY KEY,
    project_id text NOT NULL REFERENCES projects (id),
    from_phase project_phases NOT NULL,
    to_phase project_phases NOT NULL,
    reason text NOT NULL,
    overridden_by_id text REFERENCES users (id),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);
