"""Lineage: where a feed's records come from and go to, as OpenLineage events of its runs."""
