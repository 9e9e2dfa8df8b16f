"""Writes `docker/kafka.lock.toml` anew: `python -m hub.stack.relock`. For maintainers, when Kafka's version changes.

jgo resolves the versions; what the broker and its command line tools never load (the web server of Kafka Connect) is left out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from jgo.env import LockFile
from jgo.maven import MavenContext

from hub import log
from hub.stack.jars import LOCK

KAFKA = "4.3.1"
LOG4J = "2.25.5"
ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA}",
    f"org.apache.kafka:kafka-tools:{KAFKA}",
    # Named, because jgo would take an older one through a dependency's dependency.
    f"org.apache.kafka:kafka-clients:{KAFKA}",
    # Without a binding of slf4j on the class path the broker dies without a word.
    f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}",
    f"org.apache.logging.log4j:log4j-core:{LOG4J}",
)
CONNECT_ONLY = (
    "org.apache.kafka:connect-",
    "org.eclipse.jetty",
    "org.glassfish",
    "jakarta.",
    "javax.",
    "com.sun.activation",
    "com.fasterxml.jackson.jakarta",
    "com.fasterxml.jackson.module",
    "io.swagger",
    "io.github.classgraph",
    "org.apache.maven",
    "org.codehaus.plexus",
    "org.javassist",
)


def relock(path: Path) -> int:
    """Resolves ROOTS, fetches the jars, writes the lock file; returns the number of jars."""
    with tempfile.TemporaryDirectory() as scratch:
        context = MavenContext(repo_cache=Path(scratch), timeout=60)
        inputs, transitive = context.resolver.resolve([context.create_dependency(root) for root in ROOTS])
        kept = [
            dependency
            for dependency in [*inputs, *transitive]
            if dependency.scope not in ("test", "provided") and not str(dependency).startswith(CONNECT_ONLY)
        ]
        LockFile.from_resolved_dependencies(kept, environment_name="kafka", min_java_version=17).save(path)
    return len(kept)


if __name__ == "__main__":
    log.configure()
    log.get("stack.relock").info("written", path=str(LOCK), jars=relock(LOCK))
