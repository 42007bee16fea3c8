"""How a service of the mesh runs: errors, serving, channels, settings, telemetry, logging. Knows no service."""
