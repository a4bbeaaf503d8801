DROP TABLE IF EXISTS sync_circuit;
DROP TABLE IF EXISTS sync_throttle;
