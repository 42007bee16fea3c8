"""The gateway: HTTP of the OpenAI and admin APIs translated to gRPC."""
