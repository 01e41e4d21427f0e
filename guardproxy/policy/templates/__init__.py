"""Starting points for policies, by kind of business and language."""
