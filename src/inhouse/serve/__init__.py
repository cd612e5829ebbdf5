"""One OpenAI-compatible door over endpoints."""
