"""`regress view`: stored runs, decisions and promotions in a browser; reads, never writes, on this machine only."""
