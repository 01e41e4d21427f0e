"""Keeps a WhatsApp business bot on its subject, between WhatsApp and any LLM backend."""

__version__ = "0.1.0"

import os

# Texts are small: BLAS threads of numpy's only fight for cores (8 ms become 400 under load). It is
# read when numpy loads, which is why it is set here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251
