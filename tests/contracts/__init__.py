"""Reading contracts: strict YAML, schema, lint, model, catalogue, code lists, and the contracts themselves."""
