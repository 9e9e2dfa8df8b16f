"""From a delivery to a landed batch: what was taken before, the gate, pages on disk, traces of what was refused or masked."""
