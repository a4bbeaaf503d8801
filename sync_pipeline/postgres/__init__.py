"""PostgreSQL: the embedded server, connections and roles, the schema's history."""
