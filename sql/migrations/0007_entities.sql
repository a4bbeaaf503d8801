-- depends: 0002_operations
-- Products, orders with their lines, stock and payments: business tables, one per entity.
-- A row names the connection it came from and the record's id there. The name, not the number of the
-- connection: numbers begin anew after a rollback, and another shop's order 318 must not find ours.
-- No foreign keys between them: a reference may come before what it names, and a check costs 14 us.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'product', 'sales_order', 'sales_order_line', 'inventory_level', 'inventory_history', 'payment'
    ] LOOP
        IF to_regclass(name) IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = to_regclass(name) AND NOT attisdropped
              AND attname IN ('source_key', 'line_no', 'history_no')
        ) THEN
            RAISE EXCEPTION 'there is already a table %, which the sync did not make', name
                USING HINT = 'Rename it, or sync into a database or schema of its own.';
        END IF;
    END LOOP;
END $$;

-- Money as WooCommerce writes it, or NULL when it is not money: a cast would raise. Characters are
-- compared instead of a regular expression: 0.4 us less, and an order holds about twenty.
CREATE OR REPLACE FUNCTION sync_money(given text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN length(given) <= 40 AND CASE translate(given, '0123456789', '')
        WHEN '.' THEN given <> '.'
        WHEN '' THEN given <> ''
        WHEN '-.' THEN given LIKE '-%' AND given <> '-.'
        WHEN '-' THEN given LIKE '-_%'
        ELSE false
    END THEN given::numeric END
$$;

-- A naive GMT time as a moment, or NULL when there is no such day or time. STABLE as the cast in it
-- is: an immutable one would not be inlined (38 us instead of 4). The day is looked at twice only at
-- the end of a month.
CREATE OR REPLACE FUNCTION sync_utc(given text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN translate(given, '123456789', '000000000') <> '0000-00-00T00:00:00' THEN NULL
        WHEN substr(given, 12, 2) > '23' OR substr(given, 15, 2) > '59'
            OR substr(given, 18, 2) > '59' OR substr(given, 6, 2) NOT BETWEEN '01' AND '12'
            OR given < '0001' OR substr(given, 9, 2) = '00' THEN NULL
        WHEN substr(given, 9, 2) <= '28' OR substr(given, 9, 2)::integer <= CASE
            WHEN substr(given, 6, 2) IN ('04', '06', '09', '11') THEN 30
            WHEN substr(given, 6, 2) <> '02' THEN 31
            WHEN substr(given, 1, 4)::integer % 400 = 0 THEN 29
            WHEN substr(given, 1, 4)::integer % 100 = 0 THEN 28
            WHEN substr(given, 1, 4)::integer % 4 = 0 THEN 29
            ELSE 28
        END THEN (given || 'Z')::timestamptz
    END
$$;

CREATE TABLE IF NOT EXISTS product (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id sync_org_id NOT NULL,
    source text,
    external_id text,
    source_key text GENERATED ALWAYS AS (source || ':' || external_id) STORED,
    -- Of a variation: the product it varies.
    parent_external_id text,
    parent_id uuid,
    type text NOT NULL,
    status text NOT NULL,
    name text NOT NULL,
    -- Not unique: a variation without a code of its own answers with its parent's.
    sku text,
    price numeric,
    regular_price numeric,
    sale_price numeric,
    -- The store's products name none.
    currency text,
    categories jsonb NOT NULL DEFAULT '[]',
    attributes jsonb NOT NULL DEFAULT '[]',
    manage_stock text NOT NULL DEFAULT 'false' CHECK (manage_stock IN ('true', 'false', 'parent')),
    stock_quantity numeric,
    stock_status text,
    backorders text,
    permalink text,
    source_created_at timestamptz,
    source_modified_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS product_source_key_idx ON product (org_id, source_key);
CREATE INDEX IF NOT EXISTS product_changed_idx ON product (source, updated_at);
CREATE INDEX IF NOT EXISTS product_unresolved_idx ON product (source)
    WHERE parent_id IS NULL AND parent_external_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS sales_order (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id sync_org_id NOT NULL,
    source text,
    external_id text,
    source_key text GENERATED ALWAYS AS (source || ':' || external_id) STORED,
    number text NOT NULL,
    status text NOT NULL,
    currency text NOT NULL,
    -- Of everything that was ordered, with tax; refunds do not reduce it.
    total numeric NOT NULL,
    discount_total numeric,
    shipping_total numeric,
    tax_total numeric,
    refunded numeric NOT NULL DEFAULT 0,
    net numeric GENERATED ALWAYS AS (total - refunded) STORED,
    -- NULL: a guest's.
    customer_external_id text,
    customer_id uuid,
    is_guest boolean GENERATED ALWAYS AS (customer_external_id IS NULL) STORED,
    billing_email text,
    payment_method text,
    payment_method_title text,
    transaction_id text,
    ordered_at timestamptz,
    paid_at timestamptz,
    completed_at timestamptz,
    source_modified_at timestamptz,
    billing jsonb NOT NULL DEFAULT '{}',
    shipping jsonb NOT NULL DEFAULT '{}',
    -- What the order consists of; sales_order_line says the same row by row.
    items jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS sales_order_source_key_idx ON sales_order (org_id, source_key);
CREATE INDEX IF NOT EXISTS sales_order_changed_idx ON sales_order (source, updated_at);
CREATE INDEX IF NOT EXISTS sales_order_customer_idx ON sales_order (customer_id)
    WHERE customer_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS sales_order_unresolved_idx ON sales_order (source)
    WHERE customer_id IS NULL AND customer_external_id IS NOT NULL;

-- Made from sales_order.items by triggers; only what a line refers to is filled in later.
CREATE TABLE IF NOT EXISTS sales_order_line (
    order_id uuid NOT NULL,
    -- The place in items, from 1.
    line_no integer NOT NULL,
    org_id sync_org_id NOT NULL,
    kind text NOT NULL,
    external_id text,
    name text,
    sku text,
    product_external_id text,
    product_id uuid,
    variation_external_id text,
    variation_id uuid,
    quantity numeric,
    -- Before discounts: of one piece, of all.
    price numeric,
    subtotal numeric,
    -- After discounts, without tax; of a coupon and a refund what was taken off, so negative.
    total numeric,
    tax numeric,
    PRIMARY KEY (order_id, line_no)
);
CREATE INDEX IF NOT EXISTS sales_order_line_unresolved_idx ON sales_order_line (org_id, order_id)
    WHERE product_id IS NULL AND product_external_id IS NOT NULL
       OR variation_id IS NULL AND variation_external_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS inventory_level (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id sync_org_id NOT NULL,
    source text,
    external_id text,
    source_key text GENERATED ALWAYS AS (source || ':' || external_id) STORED,
    product_id uuid NOT NULL,
    -- managed: it counts its own pieces. parent: it sells from the parent's, and quantity repeats
    -- the parent's, so sums take managed ones only. unmanaged: only the status is known.
    management text NOT NULL CHECK (management IN ('managed', 'parent', 'unmanaged')),
    -- Below zero: sold and not there.
    quantity numeric,
    stock_status text,
    backorders text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS inventory_level_source_key_idx
    ON inventory_level (org_id, source_key);
CREATE INDEX IF NOT EXISTS inventory_level_product_idx ON inventory_level (product_id);

-- Every change of a level, written by triggers, whoever made it.
CREATE TABLE IF NOT EXISTS inventory_history (
    history_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id sync_org_id NOT NULL,
    inventory_level_id uuid NOT NULL,
    product_id uuid NOT NULL,
    -- NULL before the first level and after the last.
    quantity_before numeric,
    quantity_after numeric,
    stock_status_before text,
    stock_status_after text,
    management_before text,
    management_after text,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS inventory_history_level_idx
    ON inventory_history (inventory_level_id, history_no);
CREATE INDEX IF NOT EXISTS inventory_history_product_idx
    ON inventory_history (product_id, history_no);

CREATE TABLE IF NOT EXISTS payment (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id sync_org_id NOT NULL,
    source text,
    external_id text,
    source_key text GENERATED ALWAYS AS (source || ':' || external_id) STORED,
    kind text NOT NULL CHECK (kind IN ('payment', 'refund')),
    order_id uuid NOT NULL,
    order_external_id text,
    method text,
    method_title text,
    transaction_id text,
    -- What was paid or given back, both above zero.
    amount numeric NOT NULL,
    net_amount numeric GENERATED ALWAYS AS (CASE kind WHEN 'refund' THEN -amount ELSE amount END)
        STORED,
    currency text NOT NULL,
    -- Of a refund the latest moment at which it can have happened: the order does not tell more.
    paid_at timestamptz,
    refund_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS payment_source_key_idx ON payment (org_id, source_key);
CREATE INDEX IF NOT EXISTS payment_order_idx ON payment (order_id);

-- What runs with its owner's rights must not find a temporary table of its caller first.
DO $$
BEGIN
    IF current_setting('search_path') NOT LIKE '%pg_temp' THEN
        PERFORM set_config('search_path', current_setting('search_path') || ', pg_temp', true);
    END IF;
END $$;

-- Lines of orders, one statement's worth at once. With the owner's rights: whoever may write an order
-- need not be allowed to write its lines, and nobody but this function is.
-- Why LATERAL and LIMIT, and no sequential scans: the plan is kept for a session, and one made while
-- product was empty would read all of it for every batch.
CREATE OR REPLACE FUNCTION sync_order_lines() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- INSERT … ON CONFLICT comes here with nothing, too.
        IF NOT EXISTS (SELECT FROM old_rows) THEN
            RETURN NULL;
        END IF;
        DELETE FROM sales_order_line AS l USING old_rows AS o
        WHERE l.order_id = o.id AND NOT EXISTS (
            SELECT FROM new_rows AS n
            WHERE n.id = o.id AND n.items = o.items AND n.org_id = o.org_id
              AND n.source IS NOT DISTINCT FROM o.source);
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM sales_order_line AS l USING old_rows AS o WHERE l.order_id = o.id;
        RETURN NULL;
    END IF;
    INSERT INTO sales_order_line (
        order_id, line_no, org_id, kind, external_id, name, sku, product_external_id, product_id,
        variation_external_id, variation_id, quantity, price, subtotal, total, tax)
    SELECT
        o.id, i.line_no, o.org_id, coalesce(i.kind, ''), i.id, i.name, i.sku, i.product,
        CASE WHEN i.product IS NOT NULL THEN (
            SELECT p.id FROM product AS p
            WHERE p.org_id = o.org_id AND p.source_key = o.source || ':' || i.product LIMIT 1) END,
        i.variation,
        CASE WHEN i.variation IS NOT NULL THEN (
            SELECT p.id FROM product AS p
            WHERE p.org_id = o.org_id AND p.source_key = o.source || ':' || i.variation LIMIT 1) END,
        i.quantity, i.price, i.subtotal, i.total, i.tax
    FROM new_rows AS o
    CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(o.items) AS (
        kind text, id text, name text, sku text, product text, variation text, quantity numeric,
        price numeric, subtotal numeric, total numeric, tax numeric)) WITH ORDINALITY AS i (
        kind, id, name, sku, product, variation, quantity, price, subtotal, total, tax, line_no)
    -- An order whose items stayed has its lines.
    WHERE TG_OP = 'INSERT' OR NOT EXISTS (
        SELECT FROM sales_order_line AS l WHERE l.order_id = o.id);
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS sync_order_inserted ON sales_order;
CREATE TRIGGER sync_order_inserted AFTER INSERT ON sales_order
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sync_order_lines();
DROP TRIGGER IF EXISTS sync_order_updated ON sales_order;
CREATE TRIGGER sync_order_updated AFTER UPDATE ON sales_order
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sync_order_lines();
DROP TRIGGER IF EXISTS sync_order_deleted ON sales_order;
CREATE TRIGGER sync_order_deleted AFTER DELETE ON sales_order
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sync_order_lines();

-- The history of levels, one statement's worth at once.
CREATE OR REPLACE FUNCTION sync_inventory_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO inventory_history (org_id, inventory_level_id, product_id, quantity_after,
            stock_status_after, management_after)
        SELECT org_id, id, product_id, quantity, stock_status, management FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO inventory_history (org_id, inventory_level_id, product_id, quantity_before,
            stock_status_before, management_before)
        SELECT org_id, id, product_id, quantity, stock_status, management FROM old_rows;
    ELSE
        INSERT INTO inventory_history (org_id, inventory_level_id, product_id, quantity_before,
            quantity_after, stock_status_before, stock_status_after, management_before,
            management_after)
        SELECT n.org_id, n.id, n.product_id, o.quantity, n.quantity, o.stock_status,
            n.stock_status, o.management, n.management
        FROM new_rows AS n JOIN old_rows AS o ON o.id = n.id
        WHERE (o.quantity, o.stock_status, o.management)
            IS DISTINCT FROM (n.quantity, n.stock_status, n.management);
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS sync_inventory_inserted ON inventory_level;
CREATE TRIGGER sync_inventory_inserted AFTER INSERT ON inventory_level
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sync_inventory_changes();
DROP TRIGGER IF EXISTS sync_inventory_updated ON inventory_level;
CREATE TRIGGER sync_inventory_updated AFTER UPDATE ON inventory_level
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sync_inventory_changes();
DROP TRIGGER IF EXISTS sync_inventory_deleted ON inventory_level;
CREATE TRIGGER sync_inventory_deleted AFTER DELETE ON inventory_level
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sync_inventory_changes();

-- The worker sees one organization per transaction; whom else the company lets read or write keeps
-- seeing every row, as with customer.
DO $$
DECLARE
    name text;
    own_rows text := 'org_id = (SELECT nullif(current_setting(''app.org_id'', true), '''')'
        '::sync_org_id)';
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'product', 'sales_order', 'sales_order_line', 'inventory_level', 'inventory_history', 'payment'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_own_organization ON %I', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_others ON %I', name);
        EXECUTE format('CREATE POLICY sync_own_organization ON %I TO sync_worker USING (%s)',
            name, own_rows);
        EXECUTE format('CREATE POLICY sync_others ON %I TO PUBLIC USING '
            '(current_user NOT IN (''sync_worker'', ''sync_control''))', name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE ON product, sales_order, inventory_level, payment TO sync_worker;
GRANT SELECT ON sales_order_line, inventory_history TO sync_worker;
-- Lines are the trigger's; what they refer to may come later.
GRANT UPDATE (product_id, variation_id) ON sales_order_line TO sync_worker;
