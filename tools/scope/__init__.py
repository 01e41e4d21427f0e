"""Training of the scope model: corpus to rows, rows to nets, nets to the shipped heads."""
