"""What outsiders are told of the hub: metrics, traces, lineage, pages."""
