DROP VIEW IF EXISTS woo_sync_activity;
DROP VIEW IF EXISTS woo_customer_sync_queue_line;
DROP VIEW IF EXISTS odoo_sync_queue;
DROP VIEW IF EXISTS woo_customer_sync_queue;
DROP VIEW IF EXISTS sync_line_status;
DROP VIEW IF EXISTS sync_queue_status;
