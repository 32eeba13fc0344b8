"""How batches are run: threads, memory, progress."""
