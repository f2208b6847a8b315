"""Files are read by a process of their own, within limits of memory and time: whatever a file is, it ends that process
at most, and who uploads it holds nobody else up.

Texts so small that they cannot do harm are read here and now. `child` is the caller's side, `__main__` the other one.
"""
