-- depends: 0007_entities
-- What a watermark stands for besides a moment, so that only changes need to be read.
ALTER TABLE sync_watermark
    -- The mapping it was read for: another one needs records that changed long ago as well.
    ADD COLUMN IF NOT EXISTS salt text,
    -- How many records the listing held then: fewer than these and the new ones, and some are gone.
    ADD COLUMN IF NOT EXISTS total bigint;
