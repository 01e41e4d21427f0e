"""What everything here computes with."""

from typing import Any

from numpy.typing import NDArray

Vectors = NDArray[Any]  # rows of float32, unless a docstring says otherwise
