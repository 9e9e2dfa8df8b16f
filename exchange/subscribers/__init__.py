"""What subscribers build on: AsyncAPI, schemas of the hub's own events, snapshots, how far behind each reader is."""
