"""One process per job: it sees no label of a test slide, and leaves nothing behind for the next one."""
