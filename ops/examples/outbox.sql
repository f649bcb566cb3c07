-- Changes from inside the shop's own transactions (PostgreSQL): what is committed is sent, what is rolled back is not.
-- debezium-outbox.json reads this table; rows may be deleted at once, as Debezium reads the write-ahead log.

CREATE TABLE catalog_outbox (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    aggregatetype text NOT NULL DEFAULT 'catalog',
    aggregateid   text NOT NULL,                        -- the item's id: the record's key
    type          text NOT NULL DEFAULT 'change',
    payload       jsonb NOT NULL
);

-- A new or changed product, whole. The transaction's id is a version that only grows.
BEGIN;
UPDATE products SET price = 39.9 WHERE sku = 'sku-1';
INSERT INTO catalog_outbox (aggregateid, payload)
SELECT sku, jsonb_build_object(
    'op', 'upsert', 'item_id', sku, 'image_url', photo_url,
    'attributes', jsonb_build_object('category', category, 'price', price, 'in_stock', stock > 0),
    'version', txid_current())
FROM products WHERE sku = 'sku-1';
COMMIT;

-- Its price alone, without any image work.
INSERT INTO catalog_outbox (aggregateid, payload) VALUES
    ('sku-1', '{"op": "patch", "item_id": "sku-1", "attributes": {"price": 34.9}}');

-- Withdrawn.
INSERT INTO catalog_outbox (aggregateid, payload) VALUES ('sku-1', '{"op": "delete", "item_id": "sku-1"}');
