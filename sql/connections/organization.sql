-- Make an organization if it is absent; its own name and columns are the company's business.
-- Caller: sources.connections.connect.
-- Index: organization's primary key.
INSERT INTO organization (id, name) VALUES (%(org_id)s::sync_org_id, %(org_id)s)
ON CONFLICT DO NOTHING
