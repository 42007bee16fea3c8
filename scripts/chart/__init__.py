"""Writes what follows from the chart's values: its README and the schema that refuses typos."""
