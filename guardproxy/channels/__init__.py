"""Where a case goes when a person is needed: one carrier per file, each told what to do once."""
