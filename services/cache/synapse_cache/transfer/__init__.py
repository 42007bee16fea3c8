"""Entries in and out."""
