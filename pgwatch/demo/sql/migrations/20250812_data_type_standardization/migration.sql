-- Data types: one length for each kind of text, two decimals for money, and formats that are checked.

CREATE TABLE IF NOT EXISTS data_type_migration_log (
    id bigserial PRIMARY KEY,
    table_name text NOT NULL,
    column_name text NOT NULL,
    new_type text NOT NULL,
    migrated_at timestamptz NOT NULL DEFAULT now()
);

CREATE OR REPLACE FUNCTION is_valid_email(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT value ~ '^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$'
$$;

CREATE OR REPLACE FUNCTION is_valid_phone(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT value ~ '^\+?[0-9 ().-]{7,20}$'
$$;

CREATE OR REPLACE FUNCTION is_valid_url(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT value ~* '^(https?://|/)\S+$'
$$;

CREATE OR REPLACE FUNCTION is_valid_percentage(value numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT value BETWEEN 0 AND 100
$$;

-- Names: varchar(100), e-mail addresses: varchar(320)

ALTER TABLE users
    ALTER COLUMN email TYPE varchar(320),
    ALTER COLUMN first_name TYPE varchar(100),
    ALTER COLUMN last_name TYPE varchar(100),
    ALTER COLUMN position TYPE varchar(100);
ALTER TABLE customers
    ALTER COLUMN primary_name TYPE varchar(100),
    ALTER COLUMN primary_email TYPE varchar(320),
    ALTER COLUMN address TYPE varchar(500),
    ALTER COLUMN notes TYPE varchar(2000);
ALTER TABLE contacts
    ALTER COLUMN name TYPE varchar(100),
    ALTER COLUMN email TYPE varchar(320);
ALTER TABLE suppliers
    ALTER COLUMN name TYPE varchar(100),
    ALTER COLUMN email TYPE varchar(320);

-- Titles: varchar(255), short descriptions: varchar(500), long ones: varchar(2000)

ALTER TABLE projects
    ALTER COLUMN project_name TYPE varchar(255),
    ALTER COLUMN description TYPE varchar(2000),
    ALTER COLUMN notes TYPE varchar(2000);
ALTER TABLE tasks
    ALTER COLUMN title TYPE varchar(255),
    ALTER COLUMN description TYPE varchar(2000);
ALTER TABLE documents
    ALTER COLUMN title TYPE varchar(255),
    ALTER COLUMN description TYPE varchar(500),
    ALTER COLUMN file_url TYPE varchar(500);
ALTER TABLE workflow_phases ALTER COLUMN phase_name TYPE varchar(100);
ALTER TABLE workflow_sections
    ALTER COLUMN section_name TYPE varchar(100),
    ALTER COLUMN display_name TYPE varchar(255);
ALTER TABLE workflow_line_items ALTER COLUMN item_name TYPE varchar(255);
ALTER TABLE workflow_steps ALTER COLUMN step_name TYPE varchar(255);
ALTER TABLE workflow_steps ALTER COLUMN notes TYPE varchar(2000);
ALTER TABLE workflow_subtasks ALTER COLUMN subtask_name TYPE varchar(255);
ALTER TABLE workflow_alerts ALTER COLUMN title TYPE varchar(255);
ALTER TABLE conversations ALTER COLUMN title TYPE varchar(255);
ALTER TABLE project_messages ALTER COLUMN subject TYPE varchar(255);
ALTER TABLE calendar_events ALTER COLUMN title TYPE varchar(255);
ALTER TABLE notifications
    ALTER COLUMN title TYPE varchar(255),
    ALTER COLUMN message TYPE varchar(2000);

-- Money: decimal(12,2)

ALTER TABLE projects
    ALTER COLUMN budget TYPE decimal(12,2),
    ALTER COLUMN estimated_cost TYPE decimal(12,2),
    ALTER COLUMN actual_cost TYPE decimal(12,2);
ALTER TABLE material_orders ALTER COLUMN amount TYPE decimal(12,2);
ALTER TABLE tasks ALTER COLUMN estimated_hours TYPE decimal(6,2);

INSERT INTO data_type_migration_log (table_name, column_name, new_type)
VALUES
    ('users', 'email', 'varchar(320)'),
    ('customers', 'primary_email', 'varchar(320)'),
    ('contacts', 'email', 'varchar(320)'),
    ('projects', 'project_name', 'varchar(255)'),
    ('projects', 'budget', 'decimal(12,2)'),
    ('workflow_steps', 'step_name', 'varchar(255)');

-- Formats. The users are many: add the constraint first, check the old rows afterwards.

ALTER TABLE users ADD CONSTRAINT chk_users_email_format CHECK (is_valid_email(email)) NOT VALID;
ALTER TABLE users VALIDATE CONSTRAINT chk_users_email_format;
ALTER TABLE users ADD CONSTRAINT chk_users_phone_format CHECK (phone IS NULL OR is_valid_phone(phone));
ALTER TABLE customers
    ADD CONSTRAINT chk_customers_primary_email_format
        CHECK (primary_email IS NULL OR is_valid_email(primary_email)),
    ADD CONSTRAINT chk_customers_primary_phone_format
        CHECK (primary_phone IS NULL OR is_valid_phone(primary_phone));
ALTER TABLE contacts
    ADD CONSTRAINT chk_contacts_email_format CHECK (email IS NULL OR is_valid_email(email)),
    ADD CONSTRAINT chk_contacts_phone_format CHECK (phone IS NULL OR is_valid_phone(phone));
ALTER TABLE documents ADD CONSTRAINT chk_documents_url_format CHECK (is_valid_url(file_url));
ALTER TABLE projects ADD CONSTRAINT chk_projects_budget_positive CHECK (budget IS NULL OR budget >= 0);
ALTER TABLE projects ADD CONSTRAINT chk_projects_progress_range CHECK (is_valid_percentage(progress));
ALTER TABLE projects ADD CONSTRAINT chk_projects_costs_positive
    CHECK (coalesce(estimated_cost, 0) >= 0 AND coalesce(actual_cost, 0) >= 0);
ALTER TABLE project_workflows ADD CONSTRAINT chk_workflow_progress_range
    CHECK (is_valid_percentage(overall_progress));

ALTER TABLE users ALTER COLUMN role SET DEFAULT 'WORKER';
ALTER TABLE projects ALTER COLUMN budget SET DEFAULT 0;

CREATE OR REPLACE VIEW data_quality_report AS
SELECT 'users' AS table_name, 'email' AS column_name, count(*) AS total_rows,
    count(*) FILTER (WHERE NOT is_valid_email(email)) AS invalid_rows
FROM users
UNION ALL
SELECT 'customers', 'primary_email', count(*),
    count(*) FILTER (WHERE NOT is_valid_email(primary_email))
FROM customers
UNION ALL
SELECT 'contacts', 'email', count(*), count(*) FILTER (WHERE NOT is_valid_email(email))
FROM contacts
UNION ALL
SELECT 'documents', 'file_url', count(*), count(*) FILTER (WHERE NOT is_valid_url(file_url))
FROM documents
UNION ALL
SELECT 'projects', 'budget', count(*), count(*) FILTER (WHERE budget < 0)
FROM projects;

COMMENT ON FUNCTION is_valid_email(text) IS 'A plain address with a domain of two labels or more';
