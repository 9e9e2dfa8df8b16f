"""Gives the build the direct dependencies of requirements/hub.in, the one list there is."""

from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


class DependenciesHook(MetadataHookInterface):
    """Fills `project.dependencies`, leaving out the development section."""

    def update(self, metadata: dict) -> None:
        """Reads requirements/hub.in up to the first development heading."""
        text = (Path(self.root) / "requirements" / "hub.in").read_text(encoding="utf-8")
        runtime = text.split("# building", 1)[0]
        metadata["dependencies"] = [
            line.strip() for line in runtime.splitlines() if line.strip() and not line.startswith("#")
        ]
