"""The command line, `campus-gateway`: `root` puts it together, README.md says where what is."""

from gateway.cli.root import app, main

__all__ = ["app", "main"]
