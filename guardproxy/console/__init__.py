"""The web console's own files; `edges/admin` serves them as they are."""
