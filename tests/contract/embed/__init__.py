"""The embed service against its ports, its model and its wire."""
