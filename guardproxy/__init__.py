"""Keeps a WhatsApp business bot on its subject, between WhatsApp and any LLM backend."""

__version__ = "0.1.0"
