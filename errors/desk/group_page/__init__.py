"""The page of one error group, a module a part: its head, its tabs and its side, as values without requests."""
