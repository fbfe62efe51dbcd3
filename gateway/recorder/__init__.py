"""The recorder: cameras in, segments out, in a process of its own (decision 0012)."""
